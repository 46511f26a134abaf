"""What the pipelines of audio and of latents share: settings, text draws, and the order of clips.

Every example is a pure function of (seed, set, bucket, position), never of the number of
processes, workers or threads. Built on grain; numpy only.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import grain
import numpy as np
from absl import flags

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.input.manifest import SPLITS
from audiogen_jax.input.text import TextTokenizer

Batch = dict[str, np.ndarray]


class MixtureConfig(Protocol):
    """The settings that both pipelines have; see `pipeline.DataConfig`."""

    @property
    def split(self) -> str: ...
    @property
    def buckets(self) -> tuple[float, ...]: ...
    @property
    def batch_sizes(self) -> tuple[int, ...]: ...
    @property
    def crop(self) -> str: ...
    @property
    def view_dropout(self) -> float: ...
    @property
    def condition_dropout(self) -> float: ...
    @property
    def text_tokenizer(self) -> str | None: ...
    @property
    def max_tokens(self) -> int | tuple[int, ...]: ...
    @property
    def seed(self) -> int: ...
    @property
    def num_workers(self) -> int: ...
    @property
    def num_threads(self) -> int: ...


def check_settings(config: MixtureConfig, sets: str, crops: Sequence[str]) -> None:
    """Checks the settings that both pipelines have.

    Args:
      config: the settings.
      sets: name of the one that holds (path, weight) pairs.
      crops: what `config.crop` may be.

    Raises:
      ValueError: one of them is wrong; it is named.
    """
    pairs = getattr(config, sets)
    if not pairs or any(not weight > 0 for _, weight in pairs):
        raise ValueError(f"{sets}={pairs}: expected (path, weight above 0) pairs")
    if config.split not in SPLITS:
        raise ValueError(f"split={config.split!r}: expected one of {SPLITS}")
    if not config.buckets or list(config.buckets) != sorted({b for b in config.buckets if b > 0}):
        raise ValueError(f"buckets={config.buckets}: expected ascending seconds above 0")
    if len(config.batch_sizes) != len(config.buckets) or min(config.batch_sizes) < 1:
        raise ValueError(
            f"batch_sizes={config.batch_sizes}: expected one per buckets={config.buckets}"
        )
    if isinstance(config.max_tokens, tuple) and len(config.max_tokens) != len(config.buckets):
        raise ValueError(
            f"max_tokens={config.max_tokens}: expected one per buckets={config.buckets}"
        )
    if config.crop not in crops:
        raise ValueError(f"crop={config.crop!r}: expected one of {tuple(crops)}")
    for name in ("view_dropout", "condition_dropout"):
        if not 0.0 <= getattr(config, name) <= 1.0:
            raise ValueError(f"{name}={getattr(config, name)}: expected a probability in [0, 1]")


def check_processes(config: MixtureConfig, process_index: int, process_count: int) -> None:
    """Checks that batches split evenly over the processes.

    Raises:
      ValueError: they do not, or there is no such process.
    """
    if not 0 <= process_index < process_count:
        raise ValueError(f"{process_index=} must be in [0, {process_count=})")
    if uneven := [size for size in config.batch_sizes if size % process_count]:
        raise ValueError(f"batch sizes {uneven} do not divide by {process_count=}")


def draw_text(
    views: Mapping[str, Sequence[str]], rng: np.random.Generator, view_dropout: float
) -> str:
    """The tagged string of one phrasing of each view, some views but the caption dropped."""
    drawn = {
        view: phrasings[int(rng.integers(len(phrasings)))] for view, phrasings in views.items()
    }
    return StructuredCaption(**drawn).drop_views(rng, view_dropout).format()


def add_tokens(
    batch: Batch, examples: Sequence[Mapping[str, Any]], tokenizer: TextTokenizer, max_tokens: int
) -> None:
    """Adds `token_ids` int32 [b l] and `token_mask` bool [b l] of the examples' texts."""
    texts = [example["text"] for example in examples]
    batch["token_ids"], batch["token_mask"] = tokenizer.encode_batch(texts, max_tokens)


def mixed_batches(
    config: MixtureConfig,
    weights: Sequence[float],
    shelves: Sequence[Sequence[Sequence[Any]]],
    load: Callable[[int, int], Callable[[tuple[int, Any]], Any]],
    collate: Callable[[int, int], Callable[[Sequence[Any]], Batch]],
    process_index: int,
    process_count: int,
) -> grain.DatasetIterator[Batch]:
    """Endless batches of this process; the buckets interleave alike on all processes.

    Batches do not depend on the number of processes: each loads its own rows of them, and the
    state of the iterator is the same in all.

    Args:
      config: the settings.
      weights: share of the clips drawn from each set.
      shelves: the clips of each set and bucket, anything that has a length and is indexed.
      load: (set, bucket) -> what makes an example of a (position, clip).
      collate: (bucket, tokens) -> what makes a batch of examples.
      process_index: of this process.
      process_count: divides every batch size.
    """
    max_tokens = config.max_tokens
    if isinstance(max_tokens, int):
        max_tokens = (max_tokens,) * len(config.buckets)
    batches, rates = [], []
    for b, batch_size in enumerate(config.batch_sizes):
        clips, loaders, shares = [], [], []
        for m, weight in enumerate(weights):
            if len(shelf := shelves[m][b]):
                order_seed = int(np.random.SeedSequence((config.seed, m, b)).generate_state(1)[0])
                clips.append(
                    grain.MapDataset.source(shelf)
                    .seed(order_seed)
                    .shuffle()
                    .repeat()
                    .map_with_index(_Tag(len(clips)))
                )
                loaders.append(load(m, b))
                shares.append(weight * len(shelf) / sum(map(len, shelves[m])))
        if clips:
            mixed = grain.MapDataset.mix(clips, shares) if len(clips) > 1 else clips[0]
            own = batch_size // process_count
            rows = slice(process_index * own, (process_index + 1) * own)
            read = _ReadRows(tuple(loaders), collate(b, max_tokens[b]), rows)
            batches.append(mixed.batch(batch_size, drop_remainder=True, batch_fn=list).map(read))
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
    """Names the set that a clip comes from, and its position in that set's order."""

    number: int

    def __call__(self, position: int, clip: Any) -> tuple[int, int, Any]:
        return self.number, position, clip


@dataclasses.dataclass(frozen=True)
class _ReadRows:
    """The tagged clips of a whole batch -> the rows of one process, read and stacked."""

    loaders: tuple[Callable[[tuple[int, Any]], Any], ...]
    collate: Callable[[Sequence[Any]], Batch]
    rows: slice

    def __call__(self, batch: Sequence[tuple[int, int, Any]]) -> Batch:
        clips = batch[self.rows]
        return self.collate([self.loaders[m]((position, clip)) for m, position, clip in clips])
