"""A clip's latents and captions as the bytes of one ArrayRecord record.

    4 bytes   length of the header, little-endian, unsigned
    header    JSON in UTF-8: id, split, views (view -> phrasings), shape [t, c]
    latents   bfloat16, little-endian, row by row

A record holds no checksum: ArrayRecord keeps one of each and checks it at every read.
"""

import dataclasses
import itertools
import json
import struct

import ml_dtypes
import numpy as np
from jaxtyping import BFloat16

from audiogen_jax.caption import VIEWS
from audiogen_jax.files.jsonl import Row
from audiogen_jax.input.manifest import SPLITS

DTYPE = "bfloat16"
_LENGTH = struct.Struct("<I")
_STORED = np.dtype(ml_dtypes.bfloat16)


@dataclasses.dataclass(frozen=True)
class LatentRecord:
    """One clip.

    Attributes:
      audio_id: unique name within the dataset.
      split: "train" or "val".
      views: view -> its phrasings; absent views are left out.
      latents: bfloat16 [t c], all frames valid.
    """

    audio_id: str
    split: str
    views: dict[str, tuple[str, ...]]
    latents: BFloat16[np.ndarray, "t c"]


def encode_record(record: LatentRecord) -> bytes:
    """The bytes of a record.

    Raises:
      ValueError: the latents are not bfloat16 [t c] with t > 0.
    """
    latents = record.latents
    if latents.dtype != _STORED or latents.ndim != 2 or not latents.size:
        raise ValueError(
            f"clip {record.audio_id!r}: latents {latents.dtype} {list(latents.shape)}, expected "
            f"{DTYPE} [t c]"
        )
    header = {
        "id": record.audio_id,
        "split": record.split,
        "views": record.views,
        "shape": latents.shape,
    }
    encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return b"".join((_LENGTH.pack(len(encoded)), encoded, latents.tobytes()))


def decode_record(data: bytes) -> LatentRecord:
    """Reads a record; its latents are a view of `data`, which cannot be written to.

    Raises:
      ValueError: not the bytes of a record.
    """
    try:
        (length,) = _LENGTH.unpack_from(data)
        header = json.loads(data[_LENGTH.size : _LENGTH.size + length])
        _check_header(header)
        frames, channels = header["shape"]
        views = {view: tuple(header["views"][view]) for view in VIEWS if view in header["views"]}
        audio_id, split = header["id"], header["split"]
    except (struct.error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{len(data)} bytes that are no record of latents ({error})") from error
    start = _LENGTH.size + length
    if len(data) != start + frames * channels * _STORED.itemsize or split not in SPLITS:
        raise ValueError(
            f"{len(data)} bytes that are no record of {frames} x {channels} latents in "
            f"split {split!r}"
        )
    latents = np.frombuffer(data, _STORED, offset=start).reshape(frames, channels)
    return LatentRecord(audio_id, split, views, latents)


def _check_header(header: Row) -> None:
    """Raises ValueError, TypeError or KeyError if it is none."""
    sizes, views = header["shape"], header["views"]
    if not all(type(size) is int and size > 0 for size in sizes):
        raise ValueError(f"shape {sizes}")
    if not isinstance(views, dict) or not all(isinstance(view, list) for view in views.values()):
        raise ValueError("views that are no lists of phrasings")
    texts = header["id"], header["split"], *itertools.chain.from_iterable(views.values())
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("an id, a split or a phrasing that is no text")
