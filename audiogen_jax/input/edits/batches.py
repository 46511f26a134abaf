"""Edit pairs to batches: manifests of pairs and pairs that are mixed live, with exact resume."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import grain
import numpy as np
from jaxtyping import Float32

from audiogen_jax.input.audio_batches import Channels, clips_of_split
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.crop_pad import CROPS, pad_to, window_start
from audiogen_jax.input.edits.config import EditConfig
from audiogen_jax.input.edits.manifest import EditRecord, Span, read_pairs
from audiogen_jax.input.edits.mixer import EditMixer
from audiogen_jax.input.holdout import held_out_of
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
from audiogen_jax.input.scenes.library import SceneLibrary
from audiogen_jax.input.text import TextTokenizer
from audiogen_jax.timeline import Event, Timeline
from audiogen_jax.types import AtLeastOne, Bytes, FilePath, Positive, Probability

VIEW = "sfx"
"""The view that names the sound of an edit, whatever sound it is."""
LONGEST_DIFFERENCE = 0.05
"""Seconds by which the clips of a pair may differ in length."""
_ENDLESS = 1 << 40
"""Pairs, of which no training sees the last."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EditDataConfig(BatchConfig):
    """What the input pipeline of edit pairs reads; see `BatchConfig` for the other settings.

    Attributes:
      manifests: (path, weight) of manifests of pairs, see `edits.manifest`.
      edits: pairs that are mixed while the training runs; none if None.
      stems: the target of "add" is the added sound alone, and nothing is restyled: for editors
        whose output is mixed into a source that stays as it is, or taken out of it.
      source_dropout: probability of `drop_source` (for guidance on the source).
      span_share: of the pairs of manifests that have a `span`, those that are told with it.
      crop: where a long pair of a manifest is cut, both clips alike; see `crop_window`.
      sample_rate: Hz.
      channels: of the audio; see `DataConfig`.
      cache_bytes: decoded audio kept in memory, per process.
    """

    manifests: tuple[tuple[FilePath, Positive], ...] = ()
    edits: EditConfig | None = None
    stems: bool = False
    source_dropout: Probability = 0.1
    span_share: Probability = 0.0
    crop: str = "loud"
    sample_rate: AtLeastOne = 16000
    channels: Channels = 1
    cache_bytes: Bytes = 4 << 30

    def __post_init__(self):
        super().__post_init__()
        if self.edits is None:
            check_weighted("manifests", self.manifests)
        elif len(self.edits.buckets) != len(self.buckets):
            raise ValueError(
                f"edits.buckets={self.edits.buckets}: expected one per buckets={self.buckets}"
            )
        check_crop(self.crop, CROPS)
        for name in ("source_dropout", "span_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)}: expected a number in [0, 1]")
        check_format(self.sample_rate, self.channels)

    @property
    def timeline(self) -> bool:
        return self.span_share > 0 or (self.edits is not None and self.edits.timeline > 0)

    def _mixed_within(self, count: int) -> dict[str, object]:
        if self.edits is None:
            return {}
        shares = first_shares(self.edits.buckets, count)
        return {"edits": dataclasses.replace(self.edits, buckets=shares)}


class _Example(NamedTuple):
    """One pair of a batch; its timeline is None where no pair has one."""

    source: Float32[np.ndarray, "n a"]
    audio: Float32[np.ndarray, "n a"]
    length: int
    text: str
    drop_condition: bool
    drop_source: bool
    clip_id: str
    timeline: Timeline | None


class _Request(NamedTuple):
    """What is asked for, and the probability that its span is told."""

    pair_id: str
    instruction: str
    what: str
    words: str
    span: Span | None
    span_share: float


@dataclasses.dataclass(frozen=True)
class _Describe:
    """Makes an example of two clips, and draws its text and what is dropped."""

    config: EditDataConfig
    length: int

    def __call__(
        self,
        source: Float32[np.ndarray, "m a"],
        target: Float32[np.ndarray, "m a"],
        request: _Request,
        rng: np.random.Generator,
    ) -> _Example:
        views = {"caption": request.instruction, VIEW: request.what, "asr": request.words}
        phrasings = {view: (text,) for view, text in views.items() if text}
        text, drop_condition = self.config.draw_condition(phrasings, rng)
        drop_source = bool(rng.random() < self.config.source_dropout)
        timeline = None
        if self.config.timeline:
            shown = rng.random() < request.span_share
            timeline = (Event(*request.span, VIEW),) if shown and request.span else ()
        return _Example(
            pad_to(source, self.length),
            pad_to(target, self.length),
            len(source),
            text,
            drop_condition,
            drop_source,
            request.pair_id,
            timeline,
        )


@dataclasses.dataclass(frozen=True)
class _Load:
    """Reads the clips of a pair of a manifest, and cuts them alike."""

    config: EditDataConfig
    cache: AudioCache
    describe: _Describe

    def __call__(self, record: EditRecord, rng: np.random.Generator) -> _Example:
        source, target = self._clips(record)
        if not source.any():
            raise ValueError(f"pair {record.pair_id!r}: {record.source} is silent throughout")
        both, length = np.concatenate([source, target], axis=1), self.describe.length
        start = window_start(both, length, self.config.crop, rng)
        source, target = source[start : start + length], target[start : start + length]
        rate = self.config.sample_rate
        request = _Request(
            record.pair_id,
            record.instruction,
            record.what,
            record.words,
            _within(record.span, start / rate, len(source) / rate),
            self.config.span_share,
        )
        return self.describe(source, target, request, rng)

    def _clips(
        self, record: EditRecord
    ) -> tuple[Float32[np.ndarray, "n a"], Float32[np.ndarray, "n a"]]:
        source, target = self.cache.load(record.source), self.cache.load(record.target)
        shorter = min(len(source), len(target))
        longest = shorter + LONGEST_DIFFERENCE * self.cache.sample_rate
        if max(len(source), len(target)) > longest:
            raise ValueError(
                f"pair {record.pair_id!r}: {record.source} has {len(source)} samples and "
                f"{record.target} has {len(target)}: expected clips of one length"
            )
        source, target = source[:shorter], target[:shorter]
        if self.config.stems and record.kind == "add":
            if record.event is None:
                return source, target - source
            return source, pad_to(self.cache.load(record.event)[:shorter], shorter)
        return source, target


def _within(span: Span | None, start: float, seconds: float) -> Span | None:
    """A span in a clip that is cut; None if nothing of it is left."""
    if span is None:
        return None
    first, last = max(0.0, span[0] - start), min(seconds, span[1] - start)
    return (first, last) if first < last else None


@dataclasses.dataclass(frozen=True)
class _Mix:
    """Mixes the pair of a position."""

    config: EditDataConfig
    edits: EditConfig
    mixer: EditMixer
    bucket: int
    describe: _Describe

    def __call__(self, position: int, rng: np.random.Generator) -> Loaded[_Example]:
        shortest, longest = (0.0, *self.config.buckets)[self.bucket : self.bucket + 2]
        seconds = rng.uniform(max(shortest, self.mixer.shortest), longest)
        pair, problems = self.mixer.draw_readable(seconds, rng)
        target = pair.event if self.config.stems and pair.kind == "add" else pair.target
        name = f"edit {self.bucket}:{position}"
        request = _Request(
            name, pair.instruction, pair.what, pair.words, pair.span, self.edits.timeline
        )
        return Loaded(self.describe(pair.source, target, request, rng), problems)


@dataclasses.dataclass(frozen=True)
class _Collate:
    """Stacks examples and tokenizes their texts."""

    tokenizer: TextTokenizer | None
    max_tokens: int
    without_views: tuple[str, ...]

    def __call__(self, examples: Sequence[_Example]) -> Batch:
        batch = {
            "source": np.stack([example.source for example in examples]),
            "audio": np.stack([example.audio for example in examples]),
            "lengths": np.array([example.length for example in examples], np.int32),
            "drop_source": np.array([example.drop_source for example in examples]),
        }
        return batch | collate_condition(
            examples, self.tokenizer, self.max_tokens, self.without_views
        )


def make_edit_iterator(config: EditDataConfig, rows: RowsOf = range) -> ResumableBatches[Batch]:
    """Endless batches of this process; the buckets interleave alike on all processes.

    The text of a pair is its instruction as the caption, with the named sound as the view "sfx",
    whatever sound it is, and the words of a voice as "asr"; where times are told, the timeline
    holds that of the named sound.

    Args:
      config: see `EditDataConfig`.
      rows: which rows of every batch this process loads.

    Returns:
      An iterator (`get_state`, `set_state` resume exactly) of dicts of numpy arrays: `source` and
      `audio` (the target) float32 [b n a] zero-padded, `lengths` int32 [b] valid samples of both,
      `drop_condition` and `drop_source` bool [b], `id` str [b], and with a text tokenizer
      `token_ids` int32 [b l], `token_mask` bool [b l] and, where times are told, `token_spans`
      float32 [b l 2]; `replaced` str [b], why other pairs than these could not be read.

    Raises:
      FileNotFoundError: no such manifest or tokenizer.
      ValueError: a malformed manifest, a split without pairs, an uneven batch size, or (while
        iterating) too many pairs that cannot be read; the message names some.
    """
    tokenizer = TextTokenizer.from_file(config.text_tokenizer) if config.text_tokenizer else None
    cache = AudioCache(config.sample_rate, config.cache_bytes, config.channels, trim=False)
    sets = [_by_bucket(path, config) for path, _ in config.manifests]
    describe = [_Describe(config, round(s * config.sample_rate)) for s in config.buckets]
    streams = _mixed(config, describe)
    buckets = [
        Bucket(
            [pairs[b] for pairs in sets],
            _Load(config, cache, describe[b]),
            _Collate(tokenizer, config.bucket_tokens[b], config.without_views),
            streams[b],
        )
        for b in range(len(config.buckets))
    ]
    return mixed_batches(config, [weight for _, weight in config.manifests], buckets, rows)


def _mixed(
    config: EditDataConfig, describe: Sequence[_Describe]
) -> list[list[tuple[grain.MapDataset[Loaded[_Example]], float]]]:
    """The mixed pairs of each bucket, in their order, with their share."""
    if (edits := config.edits) is None:
        return [[] for _ in config.buckets]
    if config.stems:
        edits = dataclasses.replace(edits, kinds={**edits.kinds, "restyle": 0.0})
    cache = AudioCache(config.sample_rate, config.cache_bytes, config.channels)
    library = SceneLibrary(
        (clips_of_split(path, config), weight) for path, weight in edits.manifests
    )
    mixer = EditMixer(edits, library, cache)
    streams = []
    for b, (share, longest) in enumerate(zip(edits.buckets, config.buckets, strict=True)):
        if share and longest <= mixer.shortest:
            raise ValueError(
                f"data.edits.buckets[{b}]={share}: no pair fits in {longest:g} s, the shortest "
                f"take {mixer.shortest:g} s; set it to 0"
            )
        entropy = np.random.SeedSequence((config.seed, len(config.manifests), b))
        positions = grain.MapDataset.range(_ENDLESS).seed(int(entropy.generate_state(1)[0]))
        stream = positions.random_map(_Mix(config, edits, mixer, b, describe[b])).repeat()
        streams.append([(stream, edits.weight * share / sum(edits.buckets))] if share else [])
    return streams


def _by_bucket(manifest: str, config: EditDataConfig) -> list[list[EditRecord]]:
    """The pairs of the split, one list per bucket; those of unknown length in the last.

    The pairs of one clip are on one side: it is held out by its name.
    """
    records = read_pairs(manifest)
    if all(record.split == "train" for record in records):
        chosen = held_out_of(manifest, [record.name for record in records], config.holdout)
        records = [
            dataclasses.replace(record, split="val") if record.name in chosen else record
            for record in records
        ]
    buckets: list[list[EditRecord]] = [[] for _ in config.buckets]
    for record in records:
        if record.split == config.split and not (config.stems and record.kind == "restyle"):
            seconds = config.buckets[-1] if record.duration is None else record.duration
            fits = [b for b, longest in enumerate(config.buckets) if seconds <= longest]
            buckets[fits[0] if fits else -1].append(record)
    if not any(buckets):
        raise no_clips(manifest, config.split)
    return buckets
