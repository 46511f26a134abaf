"""Manifests to batches: mixture of manifests, buckets of fixed shape, exact resume.

Every example is a pure function of (seed, manifest, bucket, position), never of the number of
processes, workers or threads. Built on grain; numpy only.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import grain
import numpy as np
from absl import flags

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.input.audio import AudioCache
from audiogen_jax.input.crop_pad import CROPS, crop_window, to_float
from audiogen_jax.input.manifest import SPLITS, AudioRecord, read_manifest
from audiogen_jax.input.text import TextTokenizer

Batch = dict[str, np.ndarray]


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
      gain_db: each clip is scaled by a uniform draw from ± this many dB.
      view_dropout: probability of dropping each view but the caption.
      condition_dropout: probability of `drop_condition` (for classifier-free guidance).
      text_tokenizer: a `tokenizer.json`; without one batches hold no tokens.
      max_tokens: text tokens per clip, one number per bucket (short clips have short captions) or
        one for all; longer texts are cut.
      seed: of order, crops, gains and dropout.
      num_workers: processes that read ahead; 0 reads in threads of this process.
      num_threads: reading threads per process.
      cache_bytes: decoded audio kept in memory, per process.
    """

    manifests: tuple[tuple[str, float], ...]
    split: str = "train"
    buckets: tuple[float, ...] = (5.0,)
    batch_sizes: tuple[int, ...] = (16,)
    crop: str = "loud"
    sample_rate: int = 16000
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
        if not self.manifests or any(not weight > 0 for _, weight in self.manifests):
            raise ValueError(f"manifests={self.manifests}: expected (path, weight above 0) pairs")
        if self.split not in SPLITS:
            raise ValueError(f"split={self.split!r}: expected one of {SPLITS}")
        if not self.buckets or list(self.buckets) != sorted({b for b in self.buckets if b > 0}):
            raise ValueError(f"buckets={self.buckets}: expected ascending seconds above 0")
        if len(self.batch_sizes) != len(self.buckets) or min(self.batch_sizes) < 1:
            raise ValueError(f"batch_sizes={self.batch_sizes}: expected one per {self.buckets=}")
        if isinstance(self.max_tokens, tuple) and len(self.max_tokens) != len(self.buckets):
            raise ValueError(f"max_tokens={self.max_tokens}: expected one per {self.buckets=}")
        if self.crop not in CROPS:
            raise ValueError(f"crop={self.crop!r}: expected one of {CROPS}")
        for name in ("view_dropout", "condition_dropout"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)}: expected a probability in [0, 1]")


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
        window = crop_window(self.cache.load(record.path), self.length, config.crop, rng)
        return {
            "audio": to_float(window, self.length, rng.uniform(-config.gain_db, config.gain_db)),
            "length": np.int32(len(window)),
            "text": _draw_text(record, rng, config.view_dropout) if config.text_tokenizer else None,
            "drop_condition": bool(rng.random() < config.condition_dropout),
            "id": record.audio_id,
        }


@dataclasses.dataclass(frozen=True)
class _LoadRows:
    """The positions and records of a whole batch -> the rows of one process, loaded."""

    loaders: tuple[_LoadExample, ...]
    collate: "_Collate"
    rows: slice

    def __call__(self, batch: Sequence[tuple[int, int, AudioRecord]]) -> Batch:
        rows = batch[self.rows]
        return self.collate([self.loaders[m]((index, record)) for m, index, record in rows])


@dataclasses.dataclass(frozen=True)
class _Collate:
    """Stacks examples and tokenizes their texts."""

    tokenizer: TextTokenizer | None
    max_tokens: int

    def __call__(self, examples: Sequence[dict[str, Any]]) -> Batch:
        batch = {
            name: np.stack([example[name] for example in examples])
            for name in ("audio", "length", "drop_condition", "id")
        }
        if self.tokenizer is not None:
            texts = [example["text"] for example in examples]
            batch["token_ids"], batch["token_mask"] = self.tokenizer.encode_batch(
                texts, self.max_tokens
            )
        return batch


def make_iterator(
    config: DataConfig, process_index: int = 0, process_count: int = 1
) -> grain.DatasetIterator[Batch]:
    """Endless batches of this process; the buckets interleave alike on all processes.

    Each epoch of a manifest visits every clip once, over all processes together. Batches do not
    depend on the number of processes: each loads its own rows of them, and the state of the
    iterator is the same in all.

    Args:
      config: see `DataConfig`.
      process_index: of this process, in [0, process_count).
      process_count: must divide every batch size.

    Returns:
      A grain iterator (`get_state`, `set_state` resume exactly) of dicts of numpy arrays:
      `audio` float32 [b n] zero-padded, `length` int32 [b] valid samples, `drop_condition`
      bool [b], `id` str [b], and with a text tokenizer `token_ids` int32 [b l] and `token_mask`
      bool [b l]. n is the length of the batch's bucket.

    Raises:
      FileNotFoundError: no such manifest, tokenizer or (while iterating) clip.
      ValueError: a malformed manifest, a split without clips, an uneven batch size, or (while
        iterating) a clip that cannot be decoded; the message names it.
    """
    if not 0 <= process_index < process_count:
        raise ValueError(f"{process_index=} must be in [0, {process_count=})")
    if uneven := [size for size in config.batch_sizes if size % process_count]:
        raise ValueError(f"batch sizes {uneven} do not divide by {process_count=}")
    tokenizer = TextTokenizer.from_file(config.text_tokenizer) if config.text_tokenizer else None
    cache = AudioCache(config.sample_rate, config.cache_bytes)
    max_tokens = config.max_tokens
    if isinstance(max_tokens, int):
        max_tokens = (max_tokens,) * len(config.buckets)
    shelves = [_by_bucket(path, config) for path, _ in config.manifests]

    batches, rates = [], []
    for b, (seconds, batch_size) in enumerate(zip(config.buckets, config.batch_sizes, strict=True)):
        streams, loaders, shares = [], [], []
        for m, (_, weight) in enumerate(config.manifests):
            if records := shelves[m][b]:
                length = round(seconds * config.sample_rate)
                loaders.append(_LoadExample(config, cache, length, (config.seed, m, b)))
                order_seed = int(np.random.SeedSequence((config.seed, m, b)).generate_state(1)[0])
                streams.append(
                    grain.MapDataset.source(records)
                    .seed(order_seed)
                    .shuffle()
                    .repeat()
                    .map_with_index(_Tag(len(streams)))
                )
                shares.append(weight * len(records) / sum(map(len, shelves[m])))
        if streams:
            mixed = grain.MapDataset.mix(streams, shares) if len(streams) > 1 else streams[0]
            own = batch_size // process_count
            load = _LoadRows(
                tuple(loaders),
                _Collate(tokenizer, max_tokens[b]),
                slice(process_index * own, (process_index + 1) * own),
            )
            batches.append(mixed.batch(batch_size, drop_remainder=True, batch_fn=list).map(load))
            rates.append(sum(shares) / batch_size)

    dataset = grain.MapDataset.mix(batches, rates) if len(batches) > 1 else batches[0]
    dataset = dataset.to_iter_dataset(
        # Buffered elements are whole batches: a few are enough, grain's default is 500.
        grain.ReadOptions(
            num_threads=config.num_threads, prefetch_buffer_size=2 * config.num_threads
        )
    )
    if config.num_workers:
        # Grain's workers read absl flags, which nobody parses outside absl.app.
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()
        options = grain.MultiprocessingOptions(config.num_workers, per_worker_buffer_size=2)
        dataset = dataset.mp_prefetch(options)
    return iter(dataset)


@dataclasses.dataclass(frozen=True)
class _Tag:
    """Names the stream and the position in it that a record comes from."""

    stream: int

    def __call__(self, position: int, record: AudioRecord) -> tuple[int, int, AudioRecord]:
        return self.stream, position, record


def _by_bucket(manifest: str, config: DataConfig) -> list[list[AudioRecord]]:
    """The clips of the split, one list per bucket."""
    records = [record for record in read_manifest(manifest) if record.split == config.split]
    if not records:
        raise ValueError(f"{manifest} holds no clips of split {config.split!r}")
    shelves: list[list[AudioRecord]] = [[] for _ in config.buckets]
    for record in records:
        if config.text_tokenizer and "caption" not in record.views:
            raise ValueError(f"{manifest}: clip {record.audio_id!r} has no caption to train on")
        fits = [b for b, seconds in enumerate(config.buckets) if record.duration <= seconds]
        shelves[fits[0] if fits else -1].append(record)
    return shelves


def _draw_text(record: AudioRecord, rng: np.random.Generator, view_dropout: float) -> str:
    views = {
        view: phrasings[int(rng.integers(len(phrasings)))]
        for view, phrasings in record.views.items()
    }
    return StructuredCaption(**views).drop_views(rng, view_dropout).format()
