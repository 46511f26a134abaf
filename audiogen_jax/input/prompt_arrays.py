"""Arrays of prompts that a generator's frozen parts have read, in records and in batches.

Nothing here knows what they mean: see `models.prompting.ReadsAhead`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Self, TypeAlias

import ml_dtypes
import numpy as np

from audiogen_jax.files.jsonl import Row

PromptArrays: TypeAlias = Mapping[str, np.ndarray]
"""Of one clip, by name; what it lacks is left out."""
VALUES, LENGTHS = "prompt/", "prompt_length/"
"""What the names of arrays and of their lengths begin with in a batch."""
DTYPES = {
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float16": np.dtype("<f2"),
    "float32": np.dtype("<f4"),
    "int32": np.dtype("<i4"),
}
_MOST_AXES = 4


@dataclasses.dataclass(frozen=True)
class ArrayKind:
    """What arrays of one name have in common.

    Attributes:
      shape: of the longest; they may differ in the first axis alone.
      dtype: a key of `DTYPES`.
    """

    shape: tuple[int, ...]
    dtype: str

    def __post_init__(self):
        object.__setattr__(self, "shape", tuple(self.shape))
        if self.dtype not in DTYPES or not 1 <= len(self.shape) <= _MOST_AXES:
            raise ValueError(f"an array {self.dtype!r} {list(self.shape)}")
        if any(type(size) is not int or size < 1 for size in self.shape):
            raise ValueError(f"an array of shape {list(self.shape)}")

    @classmethod
    def of(cls, array: np.ndarray) -> Self:
        """The kind of one array.

        Raises:
          ValueError: its type is not in `DTYPES`, or it is empty.
        """
        return cls(array.shape, array.dtype.name)

    @property
    def bytes(self) -> int:
        return int(np.prod(self.shape)) * DTYPES[self.dtype].itemsize

    def longest(self, other: Self) -> Self:
        """The kind of arrays of both.

        Raises:
          ValueError: they differ in more than their first axis.
        """
        if (self.shape[1:], self.dtype) != (other.shape[1:], other.dtype):
            raise ValueError(
                f"arrays {self.dtype} {list(self.shape)} and {other.dtype} {list(other.shape)}"
            )
        return max(self, other, key=lambda kind: kind.shape[0])


Kinds: TypeAlias = Mapping[str, ArrayKind]


@dataclasses.dataclass(frozen=True)
class PromptInfo:
    """What `dataset.json` says of the prompts that are stored with the clips.

    Attributes:
      sha256: of all that has read them, see `checkpoints.family.PromptFamily`.
      arrays: by name.
    """

    sha256: str
    arrays: Kinds

    @classmethod
    def from_json(cls, values: Row) -> Self:
        """Raises ValueError, TypeError, KeyError or AttributeError if it is none."""
        return cls(values["sha256"], kinds_from_json(values["arrays"]))


def kinds_from_json(values: Row) -> dict[str, ArrayKind]:
    """The kinds that `dataclasses.asdict` made plain."""
    return {str(name): ArrayKind(**kind) for name, kind in values.items()}


def merge_kinds(kinds: Sequence[Kinds]) -> dict[str, ArrayKind]:
    """The longest of every name.

    Raises:
      ValueError: arrays of a name differ in more than their first axis; it is named.
    """
    merged: dict[str, ArrayKind] = {}
    for each in kinds:
        for name, kind in each.items():
            try:
                merged[name] = merged[name].longest(kind) if name in merged else kind
            except ValueError as error:
                raise ValueError(f"prompts of two sizes: {name!r}: {error}") from error
    return merged


def kinds_of(arrays: PromptArrays) -> dict[str, ArrayKind]:
    """The kinds of the arrays of a clip."""
    return {name: ArrayKind.of(array) for name, array in arrays.items()}


def to_bytes(arrays: PromptArrays) -> bytes:
    """The arrays one after the other."""
    return b"".join(
        array.astype(DTYPES[array.dtype.name], order="C").tobytes() for array in arrays.values()
    )


def from_bytes(data: memoryview, kinds: Kinds) -> dict[str, np.ndarray]:
    """The arrays of `to_bytes`, views of `data`.

    Raises:
      ValueError: of another size.
    """
    arrays, start = {}, 0
    if len(data) != sum(kind.bytes for kind in kinds.values()):
        raise ValueError(f"{len(data)} bytes of prompts that are to be {dict(kinds)}")
    for name, kind in kinds.items():
        part = data[start : start + kind.bytes]
        arrays[name] = np.frombuffer(part, DTYPES[kind.dtype]).reshape(kind.shape)
        start += kind.bytes
    return arrays


def collate_prompts(clips: Sequence[PromptArrays], kinds: Kinds) -> dict[str, np.ndarray]:
    """The arrays of some clips, padded to the longest there is, and their lengths.

    Returns:
      For every name of `kinds` an array [b n ...], and int32 [b], 0 for clips without it.
    """
    batch: dict[str, np.ndarray] = {}
    for name, kind in kinds.items():
        padded = np.zeros((len(clips), *kind.shape), DTYPES[kind.dtype])
        lengths = np.zeros(len(clips), np.int32)
        for row, arrays in enumerate(clips):
            if (array := arrays.get(name)) is not None:
                padded[row, : len(array)], lengths[row] = array, len(array)
        batch[VALUES + name], batch[LENGTHS + name] = padded, lengths
    return batch
