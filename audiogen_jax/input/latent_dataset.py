"""A folder of latents: ArrayRecord shards, an index beside each, and `dataset.json` over all.

`audiogen encode-dataset` makes them. The index of a shard is an .npz of one value per record:
frames int32, split uint8 (of `SPLITS`), captioned bool, id str. Opening a folder reads no record.
"""

import collections
import dataclasses
import io
import json
import threading
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from array_record.python.array_record_module import ArrayRecordReader
from jaxtyping import Bool, DTypeLike, Int32, UInt8

from audiogen_jax.files.content_hashes import check_contents
from audiogen_jax.files.json_object import read_object
from audiogen_jax.files.remote import local_copy
from audiogen_jax.input.latent_records import DTYPE, LatentRecord, decode_record
from audiogen_jax.input.manifest import SPLITS
from audiogen_jax.input.prompt_arrays import PromptInfo

DATASET = "dataset.json"
SHARD_OPTIONS = "group_size:1,uncompressed"
"""Of the ArrayRecord writer: each record is read by itself; the bits of latents do not compress."""
_LONGEST_ID = 1 << 16
_OPEN_SHARDS = 512
"""Readers kept open, each a file descriptor; 1024 is the usual limit of a process."""


@dataclasses.dataclass(frozen=True)
class LatentShard:
    """One file of records.

    Attributes:
      file: its name in the folder.
      clips: records in it.
      bytes: its size.
      sha256: of its contents.
    """

    file: str
    clips: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What `dataset.json` says.

    Attributes:
      tokenizer_sha256: of the encoder that made the latents, see `checkpoints.parameter_hash`.
      sample_rate: of the audio that was encoded, Hz.
      latent_rate: frames per second.
      channels: of each frame.
      dtype: "bfloat16".
      crop: what was kept of each clip: its first `max_seconds`, all of it if None.
      shards: all of them.
      prompts: that are stored with the clips, if any are.
      posterior: of a codec with many latents for a clip, which are stored: a "sample" or the
        "mean"; None of other codecs.
    """

    tokenizer_sha256: str
    sample_rate: int
    latent_rate: float
    channels: int
    crop: dict[str, float | None]
    shards: tuple[LatentShard, ...]
    dtype: str = DTYPE
    prompts: PromptInfo | None = None
    posterior: str | None = None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads the `dataset.json` of a folder.

        Raises:
          FileNotFoundError: there is none: no dataset, or one that is not finished.
          ValueError: it does not hold what it should, or was changed.
        """
        path = folder / DATASET
        if not path.is_file():
            raise FileNotFoundError(
                f"no {DATASET} in {folder}: expected a folder of audiogen encode-dataset, which "
                "writes it when the last shard is there"
            )
        check_contents(folder, [DATASET])
        try:
            values = read_object(path)
            shards = tuple(LatentShard(**shard) for shard in values.pop("shards"))
            prompts = values.pop("prompts", None)
            prompts = PromptInfo.from_json(prompts) if prompts is not None else None
            info = cls(shards=shards, prompts=prompts, **values)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} does not describe a dataset of latents: {error}") from error
        if info.dtype != DTYPE:
            raise ValueError(f"{path}: dtype={info.dtype!r}, expected {DTYPE!r}")
        for name in ("sample_rate", "latent_rate", "channels"):
            value = getattr(info, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e7:
                raise ValueError(f"{path}: {name}={value!r}, expected a number above 0")
        for shard in shards:
            _check_shard(path, shard)
        return info

    def with_shards(self, shards: tuple[LatentShard, ...]) -> Self:
        """The same with these shards."""
        return dataclasses.replace(self, shards=shards)

    def to_json(self) -> str:
        """The text of `dataset.json`."""
        values = dataclasses.asdict(self)
        for name in ("prompts", "posterior"):
            if values[name] is None:
                del values[name]
        return json.dumps(values, indent=1) + "\n"


def _check_shard(path: Path, shard: LatentShard) -> None:
    if not isinstance(shard.file, str) or Path(shard.file).name != shard.file:
        raise ValueError(f"{path}: file={shard.file!r}, expected the name of a file beside it")
    counts = shard.clips, shard.bytes
    # A record has more than a byte, so the size of the file bounds what its index may hold.
    if any(type(count) is not int for count in counts) or not 0 <= shard.clips <= shard.bytes:
        raise ValueError(f"{path}: {counts} clips and bytes of {shard.file}, expected counts")


def index_file(shard: str) -> str:
    """The name of the index beside a shard."""
    return str(Path(shard).with_suffix(".npz"))


class IndexRow(NamedTuple):
    """What an index says of a record.

    Attributes:
      audio_id: of the clip.
      split: "train" or "val".
      captioned: whether it has a caption view.
      frames: of its latents.
    """

    audio_id: str
    split: str
    captioned: bool
    frames: int


def index_bytes(rows: Sequence[IndexRow]) -> bytes:
    """The contents of an index, a row for each record of its shard."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        id=np.array([row.audio_id for row in rows], str),
        split=np.array([SPLITS.index(row.split) for row in rows], np.uint8),
        captioned=np.array([row.captioned for row in rows], bool),
        frames=np.array([row.frames for row in rows], np.int32),
    )
    return buffer.getvalue()


class LatentDataset:
    """The clips of a folder, by number. Threads may share it; a pickled copy opens its own files.

    Attributes:
      folder: where it is.
      info: its `dataset.json`.
      frames: int32 [clips], frames of each.
      splits: uint8 [clips], which of `SPLITS` each is in.
      captioned: bool [clips], whether each has a caption view.
    """

    def __init__(self, folder: str | Path):
        """Reads the description and the indices; what is in an object store is downloaded first.

        Raises:
          FileNotFoundError: no finished dataset, or a shard or an index of it is missing.
          ValueError: a shard or an index is not what the description says; it is named.
        """
        # Shards are read at random, by a reader of local files.
        self.folder = local_copy(folder)
        self.info = DatasetInfo.read(self.folder)
        check_contents(self.folder, [index_file(shard.file) for shard in self.info.shards])
        indices = [
            self._read_index(shard, "frames", "split", "captioned") for shard in self.info.shards
        ]
        self.frames: Int32[np.ndarray, " clips"] = _joined(indices, "frames", np.int32)
        self.splits: UInt8[np.ndarray, " clips"] = _joined(indices, "split", np.uint8)
        self.captioned: Bool[np.ndarray, " clips"] = _joined(indices, "captioned", bool)
        self._ends = np.cumsum([shard.clips for shard in self.info.shards])
        self._open_nothing()

    def __len__(self) -> int:
        return len(self.frames)

    def read(self, clip: int) -> LatentRecord:
        """The record of a clip, from 0.

        Raises:
          ValueError: it is corrupted; the shard and the number of the record in it are named.
        """
        shard, number = self._locate(clip)
        path = self.folder / self.info.shards[shard].file
        try:
            record = decode_record(self._reader(shard).read([number])[0])
            shape, expected = record.latents.shape, (self.frames[clip], self.info.channels)
            if shape != expected:
                raise ValueError(f"{shape} latents, expected {expected}")
        except (RuntimeError, ValueError, IndexError) as error:
            raise ValueError(
                f"{path}, record {number} cannot be read ({error}): restore the file (its sha256 "
                f"is in {DATASET}), or remove it and start audiogen encode-dataset again as before"
            ) from error
        return record

    def audio_id(self, clip: int) -> str:
        """The id of a clip, from the index."""
        shard, number = self._locate(clip)
        return str(self._read_index(self.info.shards[shard], "id")["id"][number])

    def audio_ids(self) -> list[str]:
        """The ids of all clips, from the indices."""
        return [
            str(clip_id)
            for shard in self.info.shards
            for clip_id in self._read_index(shard, "id")["id"]
        ]

    def _locate(self, clip: int) -> tuple[int, int]:
        shard = int(np.searchsorted(self._ends, clip, side="right"))
        return shard, int(clip) - (int(self._ends[shard - 1]) if shard else 0)

    def _reader(self, shard: int) -> ArrayRecordReader:
        with self._lock:
            if shard in self._readers:
                self._readers.move_to_end(shard)
                return self._readers[shard]
            described = self.info.shards[shard]
            # By default a reader reads ahead, for sequential access.
            path = str(self.folder / described.file)
            reader = ArrayRecordReader(path, options="readahead_buffer_size:0")
            if reader.num_records() != described.clips:
                raise ValueError(
                    f"the file holds {reader.num_records()} readable records, expected "
                    f"{described.clips}"
                )
            self._readers[shard] = reader
            if len(self._readers) > _OPEN_SHARDS:
                # Closed when the last thread that reads from it is done.
                self._readers.popitem(last=False)
            return reader

    def _read_index(self, shard: LatentShard, *names: str) -> dict[str, np.ndarray]:
        path = self.folder / shard.file
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: {DATASET} lists it, restore the file")
        if (size := path.stat().st_size) != shard.bytes:
            raise ValueError(
                f"{path} has {size} bytes, expected {shard.bytes}: it was cut short or replaced, "
                "restore the file"
            )
        index = self.folder / index_file(shard.file)
        if not index.is_file():
            raise FileNotFoundError(f"{index} is missing, the index of {path}: restore the file")
        try:
            with zipfile.ZipFile(index) as arrays:
                return {name: _read_column(arrays, name, shard.clips) for name in names}
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(
                f"{index} is no index of the {shard.clips} records of {path}: {error}"
            ) from error

    def _open_nothing(self) -> None:
        self._lock = threading.Lock()
        self._readers: collections.OrderedDict[int, ArrayRecordReader] = collections.OrderedDict()

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_lock", "_readers")}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._open_nothing()


def _read_column(arrays: zipfile.ZipFile, name: str, clips: int) -> np.ndarray:
    """An array of an index; its size is known before memory is taken for it."""
    with arrays.open(f"{name}.npy") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if shape != (clips,) or dtype.itemsize > _LONGEST_ID:
        raise ValueError(f"{name} is {dtype.name} {list(shape)}, expected {clips} values")
    with arrays.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _joined(indices: Sequence[dict[str, np.ndarray]], name: str, dtype: DTypeLike) -> np.ndarray:
    return np.concatenate([np.empty(0, dtype), *(index[name] for index in indices)], dtype=dtype)
