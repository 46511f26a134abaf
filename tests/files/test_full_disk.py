"""A disk that fills up while a file is written: one line with its path, and no file."""

import contextlib
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.files.audio import write_audio
from audiogen_jax.files.latents import write_latents
from audiogen_jax.files.mel_picture import plot_mel

NOISE = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)


def audio(path: Path) -> None:
    write_audio(path, NOISE, 16000)


def latents(path: Path) -> None:
    write_latents(path, NOISE.reshape(-1, 100), 16000)


def picture(path: Path) -> None:
    plot_mel(path, NOISE, 16000)


@contextlib.contextmanager
def largest_file(size: int):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.wav", audio),
        ("a.flac", audio),
        ("a.npz", latents),
        ("a.safetensors", latents),
        ("a.png", picture),
    ],
)
def test_a_disk_that_is_full(tmp_path: Path, name: str, write: Callable[[Path], None]):
    path = tmp_path / name
    write(path)
    size = path.stat().st_size
    path.write_bytes(b"before")
    for limit in (0, size // 2, size - 1):
        with largest_file(limit), pytest.raises(OSError) as info:
            write(path)
        assert str(info.value) == f"cannot write {path}: File too large"
        assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"before"]
    with largest_file(size):
        write(path)
