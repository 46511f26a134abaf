"""Manifests to batches: mixture of manifests, buckets of fixed shape, exact resume.

Every example is a pure function of (seed, manifest, bucket, position), never of the number of
processes, workers or threads. Built on grain; numpy only.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import grain
import numpy as np

from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.clips import read_clips
from audiogen_jax.input.crop_pad import CROPS, crop_window, pad_to
from audiogen_jax.input.manifest import AudioRecord
from audiogen_jax.input.mixture import (
    Batch,
    add_tokens,
    check_processes,
    check_settings,
    draw_text,
    mixed_batches,
)
from audiogen_jax.input.text import TextTokenizer


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What the input pipeline reads and how.

    Attributes:
      manifests: (path, weight) pairs; a weight is the share of clips drawn from that manifest.
      split: "train" or "val".
      buckets: clip lengths in seconds, ascending. A clip goes to the shortest bucket that holds
        it; one longer than the last bucket is cropped to it.
      batch_sizes: clips per batch over all processes, one per bucket.
      crop: where a long clip is cut: "loud", "random" or "start"; see `crop_window`.
      sample_rate: Hz.
      channels: of the audio; mono clips are repeated to two, two are averaged to mono.
      gain_db: each clip is scaled by a uniform draw from ± this many dB.
      view_dropout: probability of dropping each view but the caption.
      condition_dropout: probability of `drop_condition` (for classifier-free guidance).
      text_tokenizer: a `tokenizer.json`; without one batches hold no tokens.
      max_tokens: text tokens per clip, one number per bucket (short clips have short captions) or
        one for all; longer texts are cut.
      seed: of order, crops, gains and dropout.
      num_workers: processes that read ahead; 0 reads in threads of this process.
      num_threads: reading threads per process.
      cache_bytes: decoded audio kept in memory, per process; 4 GiB hold 18 hours of one channel
        at 16 kHz.
    """

    manifests: tuple[tuple[str, float], ...]
    split: str = "train"
    buckets: tuple[float, ...] = (5.0,)
    batch_sizes: tuple[int, ...] = (16,)
    crop: str = "loud"
    sample_rate: int = 16000
    channels: int = 1
    gain_db: float = 0.0
    view_dropout: float = 0.2
    condition_dropout: float = 0.1
    text_tokenizer: str | None = None
    max_tokens: int | tuple[int, ...] = 128
    seed: int = 0
    num_workers: int = 0
    num_threads: int = 2
    cache_bytes: int = 4 << 30

    def __post_init__(self):
        check_settings(self, "manifests", CROPS)


@dataclasses.dataclass(frozen=True)
class _LoadExample:
    """(position, record) -> one example, drawing from a generator of its own."""

    config: DataConfig
    cache: AudioCache
    length: int
    seeds: tuple[int, ...]

    def __call__(self, indexed: tuple[int, AudioRecord]) -> dict[str, Any]:
        position, record = indexed
        config = self.config
        rng = np.random.default_rng((*self.seeds, position))
        window = crop_window(
            self.cache.load(record.path, record.member), self.length, config.crop, rng
        )
        gain_db = rng.uniform(-config.gain_db, config.gain_db)
        return {
            "audio": pad_to(window, self.length, gain_db),
            "lengths": np.int32(len(window)),
            "text": draw_text(record.views, rng, config.view_dropout)
            if config.text_tokenizer
            else None,
            "drop_condition": bool(rng.random() < config.condition_dropout),
            "id": record.audio_id,
        }


@dataclasses.dataclass(frozen=True)
class _Collate:
    """Stacks examples and tokenizes their texts."""

    tokenizer: TextTokenizer | None
    max_tokens: int

    def __call__(self, examples: Sequence[dict[str, Any]]) -> Batch:
        batch = {
            name: np.stack([example[name] for example in examples])
            for name in ("audio", "lengths", "drop_condition", "id")
        }
        if self.tokenizer is not None:
            add_tokens(batch, examples, self.tokenizer, self.max_tokens)
        return batch


def make_iterator(
    config: DataConfig, process_index: int = 0, process_count: int = 1
) -> grain.DatasetIterator[Batch]:
    """Endless batches of this process; the buckets interleave alike on all processes.

    Each epoch of a manifest visits every clip once, over all processes together.

    Args:
      config: see `DataConfig`.
      process_index: of this process, in [0, process_count).
      process_count: must divide every batch size.

    Returns:
      A grain iterator (`get_state`, `set_state` resume exactly) of dicts of numpy arrays:
      `audio` float32 [b n a] zero-padded, `lengths` int32 [b] valid samples, `drop_condition`
      bool [b], `id` str [b], and with a text tokenizer `token_ids` int32 [b l] and `token_mask`
      bool [b l]. n is the length of the batch's bucket.

    Raises:
      FileNotFoundError: no such manifest, tokenizer or (while iterating) clip.
      ValueError: a malformed manifest, a split without clips, an uneven batch size, or (while
        iterating) a clip that cannot be decoded; the message names it.
    """
    check_processes(config, process_index, process_count)
    tokenizer = TextTokenizer.from_file(config.text_tokenizer) if config.text_tokenizer else None
    cache = AudioCache(config.sample_rate, config.cache_bytes, config.channels)
    shelves = [_by_bucket(path, config) for path, _ in config.manifests]

    def load(m: int, b: int) -> _LoadExample:
        length = round(config.buckets[b] * config.sample_rate)
        return _LoadExample(config, cache, length, (config.seed, m, b))

    def collate(b: int, max_tokens: int) -> _Collate:
        return _Collate(tokenizer, max_tokens)

    weights = [weight for _, weight in config.manifests]
    return mixed_batches(config, weights, shelves, load, collate, process_index, process_count)


def _by_bucket(manifest: str, config: DataConfig) -> list[list[AudioRecord]]:
    """The clips of the split, one list per bucket."""
    records = [record for record in read_clips(manifest) if record.split == config.split]
    if not records:
        raise ValueError(f"{manifest} holds no clips of split {config.split!r}")
    shelves: list[list[AudioRecord]] = [[] for _ in config.buckets]
    for record in records:
        if config.text_tokenizer and "caption" not in record.views:
            raise ValueError(f"{manifest}: clip {record.audio_id!r} has no caption to train on")
        fits = [b for b, seconds in enumerate(config.buckets) if record.duration <= seconds]
        shelves[fits[0] if fits else -1].append(record)
    return shelves
