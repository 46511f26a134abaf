import json
import struct

import ml_dtypes
import numpy as np
import pytest

from audiogen_jax.input.latent_records import LatentRecord, decode_record, encode_record
from tests.latent_folder import random_latents

VIEWS = {"caption": ("A dog.", "Ein Hund läuft."), "sfx": ("犬",)}


@pytest.fixture
def record():
    return LatentRecord("esc10/狗 1", "val", VIEWS, random_latents(np.random.default_rng(0), 7, 12))


def test_records_come_back_bit_for_bit(record):
    found = decode_record(encode_record(record))
    assert (found.audio_id, found.split, found.views) == (record.audio_id, "val", VIEWS)
    assert found.latents.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(found.latents.view(np.uint16), record.latents.view(np.uint16))


def test_the_layout_is_the_documented_one(record):
    data = encode_record(record)
    (length,) = struct.unpack_from("<I", data)
    assert data[4:].startswith('{"id":"esc10/狗 1","split":"val","views":{"caption":["A'.encode())
    first = np.float32(record.latents[0, 0]).view(np.uint32) >> 16
    assert struct.unpack_from("<H", data, 4 + length) == (first,)
    assert len(data) == 4 + length + 2 * 7 * 12


@pytest.mark.parametrize(
    "change", [lambda x: x.astype(np.float32), lambda x: x[0], lambda x: x[:0]]
)
def test_other_arrays_are_refused(record, change):
    wrong = LatentRecord("a", "train", VIEWS, change(record.latents))
    with pytest.raises(ValueError, match=r"clip 'a': latents .* expected bfloat16 \[t c\]"):
        encode_record(wrong)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:30],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data.replace(b'"val"', b'"vax"'),
        lambda data: data.replace(b'"views"', b'"waves"'),
        lambda data: b"\xff\xff\xff\xff" + data[4:],
    ],
)
def test_other_bytes_are_refused(record, damage):
    with pytest.raises(ValueError, match="bytes that are no record"):
        decode_record(damage(encode_record(record)))


@pytest.mark.parametrize(
    "change",
    [
        {"shape": ["a", "b"]},
        {"shape": [7, 12, 1]},
        {"shape": [-7, -12]},
        {"shape": [7.0, 12]},
        {"shape": [10**400, 1]},
        {"views": {"caption": "A dog."}},  # would be one phrasing a letter
        {"views": {"caption": [3]}},
        {"views": []},
        {"id": 3},
        {"id": None},
        {"split": ["val"]},
    ],
)
def test_headers_of_others_are_refused(record, change):
    data = encode_record(record)
    (length,) = struct.unpack_from("<I", data)
    header = json.dumps(json.loads(data[4 : 4 + length]) | change).encode()
    with pytest.raises(ValueError, match="bytes that are no record"):
        decode_record(struct.pack("<I", len(header)) + header + data[4 + length :])


def test_a_header_that_is_nested_too_deep():
    header = b"[" * 100_000
    with pytest.raises(ValueError, match="bytes that are no record"):
        decode_record(struct.pack("<I", len(header)) + header)
