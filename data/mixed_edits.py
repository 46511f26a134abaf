"""Edit pairs that are mixed of single recordings; pair i of a split depends on the job and i."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from audiogen_jax.input.audio_batches import clips_of_split
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.edits.config import EditConfig
from audiogen_jax.input.edits.manifest import EditRecord, pair_row
from audiogen_jax.input.edits.mixer import EditMixer
from audiogen_jax.input.manifest import SPLITS
from audiogen_jax.input.mixture import BatchConfig
from audiogen_jax.input.scenes.library import SceneLibrary
from data.edit_shards import Credits, Made, Shard, flac_files, shards_of, weighted_hashes

CACHE_BYTES = 4 << 30


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixedEdits:
    """A job that mixes pairs.

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
        self.shards()
        if self.sample_rate < 1 or not 0 < self.seconds < 3600:
            raise ValueError(
                f"sample_rate={self.sample_rate}, seconds={self.seconds}: expected numbers above 0"
            )

    def shards(self) -> list[Shard]:
        """Those of "train" first."""
        return shards_of(self.counts, self.shard_size)

    def described(self) -> dict[str, object]:
        """What decides the bytes; manifests by their contents."""
        values = dataclasses.asdict(self)
        values["config"]["manifests"] = weighted_hashes(self.config.manifests)
        return values

    def maker(self) -> "PairMaker":
        """Mixes its pairs."""
        return PairMaker(self)


class PairMaker:
    """Mixes the pair of a number; recordings are decoded once."""

    def __init__(self, job: MixedEdits):
        """Takes the job; the manifests of a split are read with its first pair."""
        self._job = job
        self._cache = AudioCache(job.sample_rate, CACHE_BYTES, job.channels)
        self._credits = Credits(path for path, _ in job.config.manifests)
        self._mixers: dict[str, EditMixer] = {}

    def __call__(self, split: str, number: int) -> Made:
        """The pair of a number, and what could not be read on the way.

        Raises:
          ValueError: a manifest or too many recordings cannot be read, or no pair fits.
        """
        job = self._job
        rng = np.random.default_rng((job.seed, SPLITS.index(split), number))
        pair, unreadable = self._mixer(split).draw_readable(job.seconds, rng)
        clips = {"input": pair.source, "output": pair.target}
        if job.stems:
            clips["event"] = pair.event
            if pair.replacement is not None:
                clips["replacement"] = pair.replacement
        name = f"{split}-{number:07}"
        files = flac_files({f"{name}-{key}": clip for key, clip in clips.items()}, job.sample_rate)
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
        hashes = [hashlib.sha256(contents).hexdigest() for contents in files.values()]
        row["sha256"] = dict(zip(clips, hashes, strict=True))
        return Made(files, [row | self._credits.row(pair.clips)], unreadable)

    def _mixer(self, split: str) -> EditMixer:
        if split not in self._mixers:
            settings = BatchConfig(split=split, holdout=self._job.holdout)
            library = SceneLibrary(
                (clips_of_split(path, settings), weight)
                for path, weight in self._job.config.manifests
            )
            mixer = EditMixer(self._job.config, library, self._cache)
            if self._job.seconds < mixer.shortest:
                raise ValueError(
                    f"seconds={self._job.seconds:g}: no pair fits, the shortest take "
                    f"{mixer.shortest:g} s"
                )
            self._mixers[split] = mixer
        return self._mixers[split]
