"""Files of latents are read back, others are refused in one line."""

import json
import re
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from audiogen_jax.files import latents as latents_files
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
        ({"latents": np.array([["a"]])}, "expected real floats"),
        ({"latents": np.ones((2, 2), int)}, "'latents' of type int64: expected floats"),
        ({"latents": np.ones((2, 2), bool)}, "'latents' of type bool: expected real floats"),
        ({"latents": np.ones((2, 2), complex)}, "'latents' of type complex128: expected"),
        ({"latents": LATENTS.astype(ml_dtypes.bfloat16)}, "'latents' of type |V2: expected"),
        ({"latents": np.float32(1)}, "{'latents': []}: expected"),
        ({"latents": LATENTS, "num_samples": np.array(0)}, "an integer of at least 1"),
        ({"latents": LATENTS, "num_samples": np.array(4400.5)}, "an integer of at least 1"),
        ({"latents": LATENTS, "num_samples": np.array(True)}, "an integer of at least 1"),
        ({"latents": LATENTS, "num_samples": np.array("7")}, "an integer of at least 1"),
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


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("BF16", ml_dtypes.bfloat16),
        ("F8_E4M3", ml_dtypes.float8_e4m3fn),
        ("F8_E5M2", ml_dtypes.float8_e5m2),
        ("F64", np.float64),
    ],
)
def test_every_float_type_is_read(tmp_path: Path, name: str, dtype):
    stored = LATENTS.astype(dtype)
    path = tmp_path / "a.safetensors"
    write_tensors(
        path,
        latents=(name, stored),
        num_samples=("I32", np.array([4400], np.int32)),
        left_out=("F8_E8M0", np.zeros(2, np.uint8)),
    )
    latents, num_samples = read_latents(path)
    np.testing.assert_array_equal(latents, stored.astype(np.float32))
    assert latents.dtype == np.float32 and num_samples == 4400
    write_tensors(path, latents=("F8_E8M0", np.zeros((2, 2), np.uint8)))
    with pytest.raises(ValueError, match=r"a.safetensors .*'latents' is F8_E8M0, not one of"):
        read_latents(path)


def write_tensors(path: Path, **tensors: tuple[str, np.ndarray]) -> None:
    """A safetensors file of any types."""
    header, contents = {}, b""
    for name, (dtype, array) in tensors.items():
        offsets = [len(contents), len(contents) + array.nbytes]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": offsets}
        contents += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + contents)


def test_damaged_archives_are_refused(tmp_path: Path, monkeypatch):
    path = write_latents(tmp_path / "a.npz", LATENTS, 4400)
    whole = path.read_bytes()
    for start in range(0, len(whole), 7):
        path.write_bytes(whole[:start] + b"\xff" * 7 + whole[start + 7 :])
        try:
            latents, _ = read_latents(path)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        else:
            np.testing.assert_array_equal(latents, LATENTS)  # of what nobody reads
    np.save(tmp_path / "b", LATENTS)
    (tmp_path / "b.npy").rename(path)
    with pytest.raises(ValueError, match=r"a.npz is not a .npz file"):
        read_latents(path)
    monkeypatch.setattr(latents_files, "MAX_BYTES", 10_000)
    np.savez_compressed(path, latents=np.zeros((1000, 1000)))
    with pytest.raises(ValueError, match=r"a.npz .*80001\d\d bytes, expected at most 10000"):
        read_latents(path)
