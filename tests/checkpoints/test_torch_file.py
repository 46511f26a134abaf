"""Files of torch.save: read whole, and nothing in them is ever run."""

import io
import os
import pickle
import shutil
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from audiogen_jax.checkpoints.torch_file import TorchFile
from tests.parity.golden import FOLDER

WRITTEN = FOLDER / "torch_checkpoint"
"""By torch 2.13: floats of three types, an integer, views, a parameter, nothing at all."""


@pytest.mark.parametrize("name", ["small.ckpt", "bare.pth"])
def test_what_torch_wrote(name):
    file, expected = TorchFile(WRITTEN / name), load_file(WRITTEN / "expected.safetensors")
    assert file.shapes() == {name: value.shape for name, value in expected.items()}
    for tensor, value in expected.items():
        np.testing.assert_array_equal(file.read(tensor).astype(np.float32), value)
    assert file.read("half").dtype == np.float16 and file.read("bf16").dtype.name == "bfloat16"
    file.check_floating(["plain", "bf16"])
    with pytest.raises(ValueError, match="count is int64"):
        file.check_floating(["plain", "count"])
    file.verify()


def archive(path: Path, pickled: bytes, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("model/data.pkl", pickled)
        for name, content in entries.items():
            out.writestr(f"model/data/{name}", content)
    return path


class Writes:
    """Pickles as a call that would make a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return shutil.copyfile, (__file__, str(self.path))


class Calls:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Hidden(OrderedDict):
    """Pickles as an ordered dictionary whose `items` is something else."""

    def __reduce__(self):
        return OrderedDict, (), {"items": "nothing", "get": "nothing"}


@pytest.mark.parametrize("depth", [0, 1])
def test_a_checkpoint_that_would_write_a_file_is_refused(tmp_path, depth):
    target = tmp_path / "written"
    evil: object = Writes(target)
    evil = {"state_dict": {"weight": evil}} if depth else evil
    path = archive(tmp_path / "model.ckpt", pickle.dumps(evil, protocol=2))
    pickle.loads(pickle.dumps(evil, protocol=2))
    assert target.exists()  # so it does, elsewhere
    target.unlink()
    with pytest.raises(ValueError, match="asks for shutil.copyfile.*Nothing in it was run"):
        TorchFile(path)
    assert not target.exists()


@pytest.mark.parametrize(
    "evil",
    [
        Calls(os.system, "true"),
        Calls(eval, "1"),
        Calls(getattr, "x", "upper"),
        Calls(__import__, "os"),
        {"weight": Calls(np.dtype, "f4")},
    ],
)
def test_no_other_call_is_made(tmp_path, evil):
    for protocol in (0, 2, 4):
        path = archive(tmp_path / "model.ckpt", pickle.dumps(evil, protocol=protocol))
        with pytest.raises(ValueError, match="which is no part of a tensor"):
            TorchFile(path)


def test_names_of_methods_mean_nothing(tmp_path):
    path = archive(tmp_path / "model.ckpt", pickle.dumps(Hidden(), protocol=2))
    with pytest.raises(ValueError, match="holds no tensors"):
        TorchFile(path)


def test_what_is_not_a_tensor_is_named(tmp_path):
    for content, named in (({"weight": 3}, "'weight' is a int"), ([1], "holds a list")):
        path = archive(tmp_path / "model.ckpt", pickle.dumps(content, protocol=2))
        with pytest.raises(ValueError, match=named):
            TorchFile(path)


def test_foreign_files(tmp_path):
    for content in (b"", b"x" * 100, pickle.dumps({"a": 1})):
        (tmp_path / "model.ckpt").write_bytes(content)
        with pytest.raises(ValueError, match="model.ckpt is not a file of torch.save"):
            TorchFile(tmp_path / "model.ckpt")
    with zipfile.ZipFile(tmp_path / "model.ckpt", "w") as out:
        out.writestr("anything", b"")
    with pytest.raises(ValueError, match="0 entries are called data.pkl"):
        TorchFile(tmp_path / "model.ckpt")
    with pytest.raises(FileNotFoundError, match="no weights at"):
        TorchFile(tmp_path / "other.ckpt")


def test_a_file_that_was_cut_short_or_changed(tmp_path):
    """At any place: an error of one line, or the very numbers."""
    whole, path = (WRITTEN / "small.ckpt").read_bytes(), tmp_path / "model.ckpt"
    expected = load_file(WRITTEN / "expected.safetensors")
    damaged = [whole[:size] for size in range(0, len(whole), 97)]
    for place in range(0, len(whole), 61):
        damaged.append(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    for content in damaged:
        path.write_bytes(content)
        try:
            file = TorchFile(path)
            read = {name: file.read(name) for name in file.shapes()}
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            continue
        assert read.keys() == expected.keys()
        for name, value in read.items():
            np.testing.assert_array_equal(value.astype(np.float32), expected[name])


def test_packed_archives_and_missing_numbers(tmp_path):
    path, packed = tmp_path / "model.ckpt", io.BytesIO()
    with (
        zipfile.ZipFile(WRITTEN / "small.ckpt") as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out,
        zipfile.ZipFile(path, "w") as without,
    ):
        for entry in source.infolist():
            out.writestr(entry.filename, source.read(entry))
            if "/data/" not in entry.filename:
                without.writestr(entry.filename, source.read(entry))
    with pytest.raises(ValueError, match="plain has no 6 numbers of float32 in the archive"):
        TorchFile(path).read("plain")
    path.write_bytes(packed.getvalue())
    with pytest.raises(ValueError, match="is compressed"):
        TorchFile(path)
