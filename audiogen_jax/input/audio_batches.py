"""Manifests to batches: mixture of manifests, buckets of fixed shape, exact resume."""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Annotated, NamedTuple, TypeAlias

import grain
import numpy as np
from jaxtyping import Float32

from audiogen_jax.files.audio import MAX_CHANNELS
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.crop_pad import CROPS, crop_window, pad_to
from audiogen_jax.input.holdout import held_out_of
from audiogen_jax.input.manifest import AudioRecord
from audiogen_jax.input.mixture import (
    Batch,
    BatchConfig,
    Bucket,
    RowsOf,
    check_crop,
    check_format,
    check_weighted,
    collate_condition,
    first_shares,
    mixed_batches,
    no_clips,
)
from audiogen_jax.input.replacement import Loaded
from audiogen_jax.input.resumable import ResumableBatches
from audiogen_jax.input.scenes.config import SceneConfig
from audiogen_jax.input.scenes.library import SceneLibrary
from audiogen_jax.input.scenes.mixer import SceneMixer
from audiogen_jax.input.text import TextTokenizer
from audiogen_jax.input.webdataset import read_clips
from audiogen_jax.timeline import Timeline
from audiogen_jax.types import AtLeastOne, Bytes, FilePath, Positive, Range

Channels: TypeAlias = Annotated[int, Range(1, MAX_CHANNELS)]
Decibels: TypeAlias = Annotated[float, Range(0, 120)]
_ENDLESS = 1 << 40
"""Scenes, of which no training sees the last."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig(BatchConfig):
    """What the input pipeline of audio reads and how; see `BatchConfig` for the other settings.

    Attributes:
      manifests: (path, weight) pairs; a weight is the share of clips drawn from that manifest.
      crop: where a long clip is cut: "loud", "random" or "start"; see `crop_window`.
      sample_rate: Hz.
      channels: of the audio; mono clips are repeated to two, clips of several averaged to one.
      gain_db: each clip is scaled by a uniform draw from ± this many dB.
      cache_bytes: decoded audio kept in memory, per process; 4 GiB hold 18 hours of one channel
        at 16 kHz.
      scenes: mixed while the training runs; none if None.
    """

    manifests: tuple[tuple[FilePath, Positive], ...]
    crop: str = "loud"
    sample_rate: AtLeastOne = 16000
    channels: Channels = 1
    gain_db: Decibels = 0.0
    cache_bytes: Bytes = 4 << 30
    scenes: SceneConfig | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.scenes and len(self.scenes.buckets) != len(self.buckets):
            raise ValueError(
                f"scenes.buckets={self.scenes.buckets}: expected one per buckets={self.buckets}"
            )
        check_weighted("manifests", self.manifests)
        check_crop(self.crop, CROPS)
        check_format(self.sample_rate, self.channels)

    @property
    def timeline(self) -> bool:
        return self.scenes is not None and self.scenes.timeline > 0

    def _mixed_within(self, count: int) -> dict[str, object]:
        if self.scenes is None:
            return {}
        shares = first_shares(self.scenes.buckets, count)
        return {"scenes": dataclasses.replace(self.scenes, buckets=shares)}


class _Example(NamedTuple):
    """One clip of a batch; its timeline is None where no clip has one."""

    audio: Float32[np.ndarray, "n a"]
    length: int
    text: str
    drop_condition: bool
    clip_id: str
    timeline: Timeline | None = None


@dataclasses.dataclass(frozen=True)
class _Load:
    """Reads, cuts and scales a clip, and draws its text."""

    config: DataConfig
    cache: AudioCache
    length: int

    def __call__(self, record: AudioRecord, rng: np.random.Generator) -> _Example:
        config = self.config
        samples = self.cache.load(record.path, record.member)
        record.check_fits(len(samples) / config.sample_rate, self.length / config.sample_rate)
        window = crop_window(samples, self.length, config.crop, rng)
        audio = pad_to(window, self.length, rng.uniform(-config.gain_db, config.gain_db))
        text, drop_condition = config.draw_condition(record.views, rng)
        timeline = () if config.timeline else None
        return _Example(audio, len(window), text, drop_condition, record.audio_id, timeline)


@dataclasses.dataclass(frozen=True)
class _Mix:
    """Mixes the scene of a position, and draws its text and whether its times are shown."""

    config: DataConfig
    scenes: SceneConfig
    mixer: SceneMixer
    bucket: int

    def __call__(self, position: int, rng: np.random.Generator) -> Loaded[_Example]:
        buckets = (0.0, *self.config.buckets)
        shortest, longest = buckets[self.bucket : self.bucket + 2]
        count = self.scenes.scenes * self.scenes.buckets[self.bucket] / sum(self.scenes.buckets)
        seconds = rng.uniform(max(shortest, self.mixer.shortest), longest)
        scene, problems = self.mixer.draw_readable(min(position / count, 1.0), seconds, rng)
        audio = pad_to(scene.samples, round(longest * self.config.sample_rate))
        views = {view: (text,) for view, text in scene.views.items()}
        text, drop_condition = self.config.draw_condition(views, rng)
        timeline = None
        if self.config.timeline:
            timeline = scene.timeline if rng.random() < self.scenes.timeline else ()
        name = f"scene {self.bucket}:{position}"
        example = _Example(audio, len(scene.samples), text, drop_condition, name, timeline)
        return Loaded(example, problems)


@dataclasses.dataclass(frozen=True)
class _Collate:
    """Stacks examples and tokenizes their texts."""

    tokenizer: TextTokenizer | None
    max_tokens: int
    without_views: tuple[str, ...]

    def __call__(self, examples: Sequence[_Example]) -> Batch:
        batch = {
            "audio": np.stack([example.audio for example in examples]),
            "lengths": np.array([example.length for example in examples], np.int32),
        }
        return batch | collate_condition(
            examples, self.tokenizer, self.max_tokens, self.without_views
        )


def make_iterator(config: DataConfig, rows: RowsOf = range) -> ResumableBatches[Batch]:
    """Endless batches of this process; the buckets interleave alike on all processes.

    Each epoch of a manifest visits every clip once, over all processes together.

    Args:
      config: see `DataConfig`.
      rows: which rows of every batch this process loads.

    Returns:
      An iterator (`get_state`, `set_state` resume exactly) of dicts of numpy arrays:
      `audio` float32 [b n a] zero-padded, `lengths` int32 [b] valid samples, `drop_condition`
      bool [b], `id` str [b], and with a text tokenizer `token_ids` int32 [b l] and `token_mask`
      bool [b l]; `replaced` str [b], why other clips than these could not be read. n is the length
      of the batch's bucket.

    Raises:
      FileNotFoundError: no such manifest or tokenizer.
      ValueError: a malformed manifest, a split without clips, an uneven batch size, or (while
        iterating) too many clips that cannot be decoded; the message names some.
    """
    tokenizer = TextTokenizer.from_file(config.text_tokenizer) if config.text_tokenizer else None
    cache = AudioCache(config.sample_rate, config.cache_bytes, config.channels)
    sets = [_by_bucket(path, config) for path, _ in config.manifests]
    streams = _scene_streams(config, cache)
    buckets = [
        Bucket(
            [clips[b] for clips in sets],
            _Load(config, cache, round(seconds * config.sample_rate)),
            _Collate(tokenizer, config.bucket_tokens[b], config.without_views),
            streams[b],
        )
        for b, seconds in enumerate(config.buckets)
    ]
    weights = [weight for _, weight in config.manifests]
    return mixed_batches(config, weights, buckets, rows)


def _scene_streams(
    config: DataConfig, cache: AudioCache
) -> list[list[tuple[grain.MapDataset[Loaded[_Example]], float]]]:
    """The scenes of each bucket, in the order in which they are mixed, with their share."""
    scenes = config.scenes
    if scenes is None:
        return [[] for _ in config.buckets]
    library = SceneLibrary(
        (clips_of_split(path, config), weight) for path, weight in scenes.manifests
    )
    mixer = SceneMixer(scenes, library, cache)
    streams = []
    for b, (share, longest) in enumerate(zip(scenes.buckets, config.buckets, strict=True)):
        if share and longest <= mixer.shortest:
            raise ValueError(
                f"data.scenes.buckets[{b}]={share}: no scene fits in {longest:g} s, the shortest "
                f"take {mixer.shortest:g} s; set it to 0"
            )
        seed = int(
            np.random.SeedSequence((config.seed, len(config.manifests), b)).generate_state(1)[0]
        )
        positions = grain.MapDataset.range(_ENDLESS).seed(seed)
        stream = positions.random_map(_Mix(config, scenes, mixer, b)).repeat()
        streams.append([(stream, scenes.weight * share / sum(scenes.buckets))] if share else [])
    return streams


def clips_of_split(manifest: str, config: BatchConfig) -> list[AudioRecord]:
    """The clips of the split, some held out where nobody has chosen any.

    Raises:
      FileNotFoundError, ValueError: no such manifest, a malformed one, or no clips of the split.
    """
    records = read_clips(manifest)
    if all(record.split == "train" for record in records):
        recordings = {record.audio_id: record.recording for record in records}
        chosen = held_out_of(manifest, [*recordings], config.holdout, recordings)
        records = [
            dataclasses.replace(record, split="val") if record.audio_id in chosen else record
            for record in records
        ]
    train, val = ({r.recording for r in records if r.split == split} for split in ("train", "val"))
    if shared := sorted(recording for recording in train & val if recording):
        warnings.warn(
            f"{manifest}: {len(shared)} recordings have clips in both splits ({shared[0]!r}): "
            "the validation loss is not that of sounds that training never saw",
            stacklevel=2,
        )
    records = [record for record in records if record.split == config.split]
    if not records:
        raise no_clips(manifest, config.split)
    return records


def _by_bucket(manifest: str, config: DataConfig) -> list[list[AudioRecord]]:
    """The clips of the split, one list per bucket."""
    buckets: list[list[AudioRecord]] = [[] for _ in config.buckets]
    for record in clips_of_split(manifest, config):
        if config.text_tokenizer and "caption" not in record.views:
            raise ValueError(f"{manifest}: clip {record.audio_id!r} has no caption to train on")
        fits = [b for b, seconds in enumerate(config.buckets) if record.duration <= seconds]
        buckets[fits[0] if fits else -1].append(record)
    return buckets
