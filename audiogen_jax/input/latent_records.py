"""A clip's latents and captions as the bytes of one ArrayRecord record.

    4 bytes   length of the header, little-endian, unsigned
    header    JSON in UTF-8: id, split, views (view -> phrasings), shape [t, c], and where a prompt
              is stored, prompt (name -> shape and dtype of its arrays)
    latents   bfloat16, little-endian, row by row
    prompt    its arrays, little-endian, row by row

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
from audiogen_jax.input.prompt_arrays import (
    PromptArrays,
    from_bytes,
    kinds_from_json,
    kinds_of,
    to_bytes,
)

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
      prompt: arrays of its prompt, if a generator has read it.
    """

    audio_id: str
    split: str
    views: dict[str, tuple[str, ...]]
    latents: BFloat16[np.ndarray, "t c"]
    prompt: PromptArrays = dataclasses.field(default_factory=dict)


def encode_record(record: LatentRecord) -> bytes:
    """The bytes of a record.

    Raises:
      ValueError: the latents are not bfloat16 [t c] with t > 0, or an array of the prompt is empty
        or of a type that is not stored.
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
    if record.prompt:
        kinds = kinds_of(record.prompt)
        header["prompt"] = {name: dataclasses.asdict(kind) for name, kind in kinds.items()}
    encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return b"".join(
        (_LENGTH.pack(len(encoded)), encoded, latents.tobytes(), to_bytes(record.prompt))
    )


def decode_record(data: bytes) -> LatentRecord:
    """Reads a record; its arrays are views of `data`, which cannot be written to.

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
        kinds = kinds_from_json(header.get("prompt", {}))
    except (struct.error, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{len(data)} bytes that are no record of latents ({error})") from error
    start = _LENGTH.size + length
    end = start + frames * channels * _STORED.itemsize
    size = end + sum(kind.bytes for kind in kinds.values())
    if len(data) != size or split not in SPLITS:
        raise ValueError(
            f"{len(data)} bytes that are no record of {frames} x {channels} latents in "
            f"split {split!r}"
        )
    latents = np.frombuffer(memoryview(data)[start:end], _STORED).reshape(frames, channels)
    return LatentRecord(audio_id, split, views, latents, from_bytes(memoryview(data)[end:], kinds))


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
