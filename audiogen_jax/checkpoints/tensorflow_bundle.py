"""Checkpoints that tensorflow wrote, read without it: a sorted table of names, and the numbers.

The table (`.index`) is one of LevelDB: blocks of key and value, of which each key says how much of
the one before it begins with; the last 48 bytes say where the block of blocks is. Values are
protocol buffers that say of a tensor its type, shape and place in `.data-00000-of-00001`.
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
_TYPE, _SHAPE, _SHARD, _OFFSET, _SIZE = 1, 2, 3, 4, 5
_DIM, _DIM_SIZE = 2, 1
_FLOAT = 1


def read_bundle(index: Path) -> dict[str, np.ndarray]:
    """The float32 tensors of a checkpoint by name; other types are left out.

    Args:
      index: its table, `NAME.index`; the numbers are in `NAME.data-00000-of-00001`.

    Raises:
      ValueError: the files are none of such, of several shards, compressed or cut short.
      OSError: they cannot be read.
    """
    name = index.name.removesuffix(".index")
    table, numbers = (
        path.read_bytes() for path in (index, index.with_name(f"{name}.data-00000-of-00001"))
    )
    try:
        tensors = dict(_tensors(table, numbers))
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"{index} is damaged: {error}") from None
    except ValueError as error:
        raise ValueError(f"{index}: {error}") from None
    if not tensors:
        raise ValueError(f"{index} names no float32 tensors")
    return tensors


def _tensors(table: bytes, numbers: bytes) -> Iterator[tuple[str, np.ndarray]]:
    if len(table) < _FOOTER or table[-len(MAGIC) :] != MAGIC:
        raise ValueError("it is no table of a tensorflow checkpoint")
    footer = table[-_FOOTER:]
    _, at = _handle(footer, 0)
    blocks, _ = _handle(footer, at)
    for _, handle in _entries(table, *blocks):
        for key, value in _entries(table, *_handle(handle, 0)[0]):
            fields = _fields(value)
            if not key or _number(fields, _TYPE) != _FLOAT:
                continue
            if _number(fields, _SHARD):
                raise ValueError("the checkpoint has several shards: expected one")
            sizes = [dim for field, _, dim in _fields(_content(fields, _SHAPE)) if field == _DIM]
            shape = [_number(_fields(dim), _DIM_SIZE) for dim in sizes]
            name, offset, size = key.decode(), _number(fields, _OFFSET), _number(fields, _SIZE)
            values = np.frombuffer(numbers[offset : offset + size], "<f4")
            if values.nbytes != size or values.size != math.prod(shape):
                raise ValueError(f"{name} has {values.size} numbers, and shape {shape}")
            yield name, values.reshape(shape)


def _entries(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; restart points, which stand behind them, are not needed."""
    if table[start + size] != 0:
        raise ValueError("the table is compressed, which tensorflow does not do")
    block = table[start : start + size]
    end = size - 4 - 4 * struct.unpack("<I", block[-4:])[0]
    key, at = b"", 0
    while at < end:
        shared, at = _varint(block, at)
        rest, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + rest]
        yield key, block[at + rest : at + rest + length]
        at += rest + length


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    start, at = _varint(data, at)
    size, at = _varint(data, at)
    return (start, size), at


def _fields(message: bytes) -> list[tuple[int, int, bytes]]:
    """The fields of a protocol buffer: which it is, and its number or content."""
    fields, at = [], 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, content = 0, b""
        match tag & 7:
            case 0:
                number, at = _varint(message, at)
            case 2:
                length, at = _varint(message, at)
                content, at = message[at : at + length], at + length
            case 5:
                number, at = struct.unpack_from("<I", message, at)[0], at + 4
            case kind:
                raise ValueError(f"a field of wire type {kind} is not understood")
        fields.append((tag >> 3, number, content))
    return fields


def _number(fields: list[tuple[int, int, bytes]], field: int) -> int:
    """0 where the field is missing, as protocol buffers have it."""
    return next((number for each, number, _ in fields if each == field), 0)


def _content(fields: list[tuple[int, int, bytes]], field: int) -> bytes:
    return next((content for each, _, content in fields if each == field), b"")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
