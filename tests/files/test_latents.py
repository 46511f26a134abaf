"""Files of latents are read back, others are refused in one line."""

import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from audiogen_jax.files.latents import read_latents, write_latents

LATENTS = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_what_is_written_is_read(tmp_path: Path, suffix: str):
    path = write_latents(tmp_path / "new" / f"a{suffix}", LATENTS[:, ::-1], 4400)
    latents, num_samples = read_latents(path)
    np.testing.assert_array_equal(latents, LATENTS[:, ::-1])
    assert (latents.dtype, num_samples) == (np.float32, 4400)
    assert list(path.parent.iterdir()) == [path]


def test_the_number_of_samples_may_be_missing(tmp_path: Path):
    safetensors.numpy.save_file({"latents": LATENTS.astype("f2")}, tmp_path / "a.safetensors")
    latents, num_samples = read_latents(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(latents, LATENTS.astype("f2").astype("f4"))
    assert num_samples is None


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": LATENTS}, "{'x': [7, 3]}: expected numbers 'latents' [t c]"),
        ({"latents": LATENTS[0]}, "{'latents': [3]}: expected"),
        ({"latents": LATENTS[:0]}, "{'latents': [0, 3]}: expected"),
        ({"latents": np.array([["a"]])}, "expected numbers"),
        ({"latents": LATENTS, "num_samples": np.arange(3)}, "one 'num_samples' or none"),
        ({"latents": LATENTS, "num_samples": np.array(-1)}, "one 'num_samples' or none"),
        ({"latents": np.full((2, 2), np.nan)}, "NaN or infinite"),
        ({"latents": np.full((2, 2), np.inf)}, "NaN or infinite"),
        ({"latents": np.array([[None]])}, "is not a .npz file"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, arrays: dict, words: str):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=re.escape(words)) as info:
        read_latents(tmp_path / "a.npz")
    assert str(tmp_path / "a.npz") in str(info.value) and "\n" not in str(info.value)


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors"])
def test_other_files_are_refused(tmp_path: Path, name: str):
    with pytest.raises(FileNotFoundError, match="no latents at"):
        read_latents(tmp_path / name)
    for contents in (b"", b"PK\x03\x04 and nothing more", b"x" * 100):
        (tmp_path / name).write_bytes(contents)
        with pytest.raises(ValueError, match=rf"{name} is not a .* file"):
            read_latents(tmp_path / name)
    with pytest.raises(ValueError, match=r"latents are kept as \.npz or \.safetensors"):
        read_latents(tmp_path / "a.wav")


def test_latents_that_are_not_finite_are_not_written(tmp_path: Path):
    with pytest.raises(ValueError, match="NaN or infinite"):
        write_latents(tmp_path / "a.npz", np.full((2, 2), np.nan), 10)
    assert not list(tmp_path.iterdir())
