"""Edit pairs in shards: folders of FLAC files that any process can make, in any order.

A shard is made in a folder of another name, in which a pair counts as done when its row is
appended to `pairs.jsonl`, after its files; the folder gets its name when all of its pairs are
there. So whoever goes on with a shard after a kill, this process or another one, makes the pair
that was on its way once more, and no other. Pair i of a split depends on the job, the split and i.
"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audiogen_jax.files.atomic import sync, write_synced
from audiogen_jax.files.audio import encode_audio
from audiogen_jax.files.fingerprint import sha256
from audiogen_jax.files.jsonl import Row, append_rows, read_rows, recover_rows
from audiogen_jax.files.lock import locked
from audiogen_jax.input.audio_batches import clips_of_split
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.edits.config import EditConfig
from audiogen_jax.input.edits.manifest import EditRecord, pair_row
from audiogen_jax.input.edits.mixer import EditMixer
from audiogen_jax.input.edits.pair import EditPair
from audiogen_jax.input.manifest import SPLITS, AudioRecord
from audiogen_jax.input.mixture import BatchConfig
from audiogen_jax.input.scenes.library import SceneLibrary
from data.licenses import STRICTNESS, strictest

PAIRS = "pairs.jsonl"
CREDITS = ("license", "author", "title", "source_url")
CACHE_BYTES = 4 << 30


class Shard(NamedTuple):
    """The pairs of a split from one number to another."""

    number: int
    split: str
    start: int
    stop: int

    @property
    def name(self) -> str:
        return f"{self.number:05}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EditJob:
    """All that decides the bytes of a set of pairs.

    Attributes:
      config: what pairs are made of.
      counts: split -> number of pairs.
      seconds: length of every pair.
      sample_rate: Hz.
      channels: of the audio.
      seed: of all draws.
      shard_size: pairs per shard.
      stems: also write what is named, and what it becomes, alone.
      holdout: share of the clips that is held out of "train" where a manifest has no "val".
    """

    config: EditConfig
    counts: Mapping[str, int]
    seconds: float = 10.0
    sample_rate: int = 16000
    channels: int = 1
    seed: int = 0
    shard_size: int = 500
    stems: bool = False
    holdout: float = 0.1

    def __post_init__(self):
        if self.counts.keys() - set(SPLITS) or min(self.counts.values()) < 0:
            raise ValueError(f"counts={dict(self.counts)}: expected numbers of {SPLITS}")
        if not sum(self.counts.values()):
            raise ValueError("no pairs are asked for: give a number of them")
        if self.shard_size < 1 or self.sample_rate < 1 or not 0 < self.seconds < 3600:
            raise ValueError(
                f"shard_size={self.shard_size}, sample_rate={self.sample_rate}, "
                f"seconds={self.seconds}: expected numbers above 0"
            )

    def shards(self) -> list[Shard]:
        """Those of "train" first."""
        ranges = [
            (split, start, min(start + self.shard_size, self.counts.get(split, 0)))
            for split in SPLITS
            for start in range(0, self.counts.get(split, 0), self.shard_size)
        ]
        return [Shard(number, *each) for number, each in enumerate(ranges)]

    def described(self) -> dict[str, object]:
        """What is compared when the job is started again; manifests by their contents."""
        values = dataclasses.asdict(self)
        manifests = [(sha256(Path(path)), weight) for path, weight in self.config.manifests]
        values["config"]["manifests"] = manifests
        return values


class ShardBuilder:
    """Makes shards of a job in a folder, any number of them at once in as many processes."""

    def __init__(self, job: EditJob, folder: Path):
        """Takes the job and the folder; recordings are read when the first pair is made."""
        self._job, self._folder = job, folder

    def is_done(self, shard: Shard) -> bool:
        """Whether a shard is there, and so complete."""
        return (self._folder / shard.name).exists()

    def build(self, shard: Shard) -> int:
        """Makes what is left of a shard.

        Returns:
          Pairs made now.

        Raises:
          ValueError: a manifest or recordings that cannot be read.
          OSError: a file cannot be written, or another process is making this shard.
        """
        final, staged = self._folder / shard.name, self._folder / f".part-{shard.name}"
        busy = f"{final}: another process is making this shard"
        with locked(self._folder / f".lock-{shard.name}", busy):
            if final.exists():
                return 0
            staged.mkdir(exist_ok=True)
            first = shard.start + len(recover_rows(staged / PAIRS))
            for number in range(first, shard.stop):
                files, row = self._written(shard.split, number)
                for name, contents in files.items():
                    write_synced(staged / name, contents)
                append_rows(staged / PAIRS, [row])
            sync(staged)
            os.replace(staged, final)
            sync(self._folder)
        return shard.stop - first

    def rows(self) -> Iterator[Row]:
        """The rows of all shards, which are there, in order, with paths from the folder."""
        for shard in self._job.shards():
            for row in read_rows(self._folder / shard.name / PAIRS):
                files = ("input", "output", "event", "replacement")
                yield row | {name: f"{shard.name}/{row[name]}" for name in files if name in row}

    def _written(self, split: str, number: int) -> tuple[dict[str, bytes], Row]:
        """The files of a pair and its row."""
        job = self._job
        rng = np.random.default_rng((job.seed, SPLITS.index(split), number))
        pair, _ = self._mixer(split).draw_readable(job.seconds, rng)
        clips = {"input": pair.source, "output": pair.target}
        if job.stems:
            clips["event"] = pair.event
            if pair.replacement is not None:
                clips["replacement"] = pair.replacement
        name = f"{split}-{number:07}"
        files = {f"{name}-{key}.flac": clip for key, clip in clips.items()}
        record = EditRecord(
            name,
            pair.kind,
            pair.instruction,
            Path(),
            Path(),
            pair.what,
            pair.to,
            pair.words,
            pair.span,
            duration=len(pair.source) / job.sample_rate,
            split=split,
            negative=pair.negative,
        )
        row = pair_row(record, dict(zip(clips, files, strict=True)))
        contents = {
            file: encode_audio(clip, job.sample_rate, ".flac").contents
            for file, clip in files.items()
        }
        hashes = [hashlib.sha256(contents[file]).hexdigest() for file in files]
        row["sha256"] = dict(zip(clips, hashes, strict=True))
        return contents, row | self._credits(pair)

    def _credits(self, pair: EditPair) -> Row:
        """The licence of a pair, if those of all clips are known, and whom it is owed to."""
        sources = [
            {"role": role, "audio_id": clip.audio_id, **self._sources.get(clip.path, {})}
            for role, clips in pair.clips.items()
            for clip in clips
        ]
        licenses = [str(source.get("license")) for source in sources]
        known = all(license in STRICTNESS for license in licenses)
        return ({"license": strictest(licenses)} if known else {}) | {"sources": sources}

    @functools.cached_property
    def _sources(self) -> dict[Path, Row]:
        """Path of a recording -> what its manifest says of its licence."""
        stated = {}
        for manifest, _ in self._job.config.manifests:
            if Path(manifest).suffix == ".jsonl":
                for row in read_rows(manifest):
                    path = Path(manifest).parent / str(row.get("path"))
                    stated[path] = {key: row[key] for key in CREDITS if row.get(key)}
        return stated

    @functools.cached_property
    def _cache(self) -> AudioCache:
        return AudioCache(self._job.sample_rate, CACHE_BYTES, self._job.channels)

    @functools.cached_property
    def _mixers(self) -> dict[str, EditMixer]:
        return {}

    def _mixer(self, split: str) -> EditMixer:
        if split not in self._mixers:
            settings = BatchConfig(split=split, holdout=self._job.holdout)
            sets: list[tuple[list[AudioRecord], float]] = [
                (clips_of_split(path, settings), weight)
                for path, weight in self._job.config.manifests
            ]
            mixer = EditMixer(self._job.config, SceneLibrary(sets), self._cache)
            if self._job.seconds < mixer.shortest:
                raise ValueError(
                    f"seconds={self._job.seconds:g}: no pair fits, the shortest take "
                    f"{mixer.shortest:g} s"
                )
            self._mixers[split] = mixer
        return self._mixers[split]
