"""Checkpoints of tensorflow, written here byte by byte as its table format is described."""

import struct
from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.checkpoints.tensorflow_bundle import MAGIC, read_bundle


def varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def block(entries: list[tuple[int, bytes, bytes]]) -> bytes:
    """Entries (bytes shared with the key before, rest of the key, value), and a restart point."""
    content = b"".join(
        varint(shared) + varint(len(rest)) + varint(len(value)) + rest + value
        for shared, rest, value in entries
    )
    return content + struct.pack("<II", 0, 1)


def tensor(kind: int, shape: tuple[int, ...], offset: int, size: int, shard: int = 0) -> bytes:
    sizes = b"".join(b"\x12" + varint(len(s)) + s for s in (b"\x08" + varint(n) for n in shape))
    value = b"\x08" + varint(kind) + b"\x12" + varint(len(sizes)) + sizes
    value += b"\x18" + varint(shard) if shard else b""
    return value + b"\x20" + varint(offset) + b"\x28" + varint(size) + b"\x35" + b"\0" * 4


def written(folder: Path, entries: list[tuple[int, bytes, bytes]], packed: int = 0) -> Path:
    data = block(entries)
    table = data + bytes([packed]) + b"\0" * 4
    pointer = block([(0, b"z", varint(0) + varint(len(data)))])
    handles = varint(0) + varint(0) + varint(len(table)) + varint(len(pointer))
    table += pointer + b"\0" * 5 + handles.ljust(40, b"\0") + MAGIC
    (folder / "model.index").write_bytes(table)
    numbers = np.arange(200, dtype="<f4").tobytes()
    (folder / "model.data-00000-of-00001").write_bytes(numbers)
    return folder / "model.index"


def test_names_shapes_and_numbers(tmp_path):
    index = written(
        tmp_path,
        [
            (0, b"", b"\x08\x01"),
            (0, b"conv/bias", tensor(1, (3,), 0, 12)),
            (5, b"kernel", tensor(1, (10, 15), 12, 600)),
            (5, b"steps", tensor(9, (), 700, 8)),
            (0, b"rate", tensor(1, (), 20, 4)),
        ],
    )
    tensors = read_bundle(index)
    assert list(tensors) == ["conv/bias", "conv/kernel", "rate"]
    np.testing.assert_array_equal(tensors["conv/bias"], [0, 1, 2])
    np.testing.assert_array_equal(tensors["conv/kernel"], np.arange(3, 153).reshape(10, 15))
    assert tensors["rate"] == 5.0


def test_what_is_none(tmp_path):
    for value, packed, why in (
        (tensor(1, (4,), 0, 12), 0, r"a has 3 numbers, and shape \[4\]"),
        (tensor(1, (3,), 796, 12), 0, r"a has 1 numbers, and shape \[3\]"),
        (tensor(1, (3,), 0, 12, shard=1), 0, "several shards"),
        (tensor(1, (3,), 0, 12), 1, "compressed"),
    ):
        with pytest.raises(ValueError, match=f"model.index: .*{why}"):
            read_bundle(written(tmp_path, [(0, b"a", value)], packed))
    index = written(tmp_path, [(0, b"a", tensor(1, (3,), 0, 12))])
    whole = index.read_bytes()
    for cut in (whole[:20], whole[:-1]):
        index.write_bytes(cut)
        with pytest.raises(ValueError, match="no table of a tensorflow checkpoint"):
            read_bundle(index)
    index.write_bytes(b"\xff" * 20 + whole[20:])
    with pytest.raises(ValueError, match="model.index"):
        read_bundle(index)
    with pytest.raises(FileNotFoundError):
        read_bundle(tmp_path / "other.index")
