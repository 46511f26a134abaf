"""What the pipelines of audio and of latents share: settings, text draws, and the order of clips.

Every example is a pure function of (seed, set, bucket, position), never of the number of
processes, workers or threads. Built on grain; numpy only.
"""

import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, Self, TypeAlias, TypeVar

import grain
import numpy as np
from grain.python import DatasetSelectionMap

from audiogen_jax.caption import PARTS, StructuredCaption
from audiogen_jax.input.manifest import SPLITS
from audiogen_jax.input.replacement import Loaded, LoadOrReplace, Text
from audiogen_jax.input.resumable import ResumableBatches
from audiogen_jax.input.text import TextTokenizer
from audiogen_jax.timeline import Timeline
from audiogen_jax.types import AtLeastOne, FilePath, Positive, Probability, Seed, Whole

Batch: TypeAlias = dict[str, np.ndarray]
RowsOf: TypeAlias = Callable[[int], Sequence[int]]
"""Clips of a batch over all processes -> ascending positions of those that this process loads;
`range` loads all of them."""
Clip = TypeVar("Clip")
Example = TypeVar("Example", bound=Text)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """The settings that batches of audio and batches of latents have.

    Attributes:
      split: "train" or "val".
      holdout: share of the clips, at least one, that is held out for validation from a set without
        a validation split; 0: none.
      buckets: clip lengths in seconds, ascending. A clip goes to the shortest bucket that holds
        it; one longer than the last bucket is cropped to it.
      batch_sizes: clips per batch over all processes, one per bucket.
      view_dropout: probability of dropping each view but the caption.
      condition_dropout: probability of `drop_condition` (for classifier-free guidance).
      text_tokenizer: a `tokenizer.json`; without one batches hold no tokens.
      without_views: parts of a scene, as in `StructuredCaption.without`, for each of which batches
        hold the texts without it, too; such a text is the whole one where it has no other part.
      max_tokens: text tokens per clip, one number per bucket (short clips have short captions) or
        a single one for all; longer texts are cut.
      seed: of order, crops, gains and dropout.
      num_workers: processes that read ahead; 0 reads in threads of this process, which is faster
        where reading and tokenizing run outside of Python's lock.
      num_threads: reading threads per process.
    """

    split: str = "train"
    holdout: Probability = 0.1
    buckets: tuple[Positive, ...] = (5.0,)
    batch_sizes: tuple[AtLeastOne, ...] = (16,)
    view_dropout: Probability = 0.2
    condition_dropout: Probability = 0.1
    text_tokenizer: FilePath | None = None
    without_views: tuple[str, ...] = ()
    max_tokens: AtLeastOne | tuple[AtLeastOne, ...] = 128
    seed: Seed = 0
    num_workers: Whole = 0
    num_threads: AtLeastOne = 2

    def __post_init__(self):
        if self.split not in SPLITS:
            raise ValueError(f"split={self.split!r}: expected one of {SPLITS}")
        if not self.buckets or list(self.buckets) != sorted({b for b in self.buckets if b > 0}):
            raise ValueError(f"buckets={self.buckets}: expected ascending seconds above 0")
        if len(self.batch_sizes) != len(self.buckets) or min(self.batch_sizes) < 1:
            raise ValueError(
                f"batch_sizes={self.batch_sizes}: expected one per buckets={self.buckets}"
            )
        if len(self.bucket_tokens) != len(self.buckets):
            raise ValueError(
                f"max_tokens={self.max_tokens}: expected one per buckets={self.buckets}"
            )
        if unknown := set(self.without_views) - set(PARTS):
            raise ValueError(f"without_views={sorted(unknown)}: expected some of {PARTS}")
        for name in ("view_dropout", "condition_dropout", "holdout"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)}: expected a number in [0, 1]")

    @property
    def bucket_tokens(self) -> tuple[int, ...]:
        """`max_tokens` of each bucket."""
        tokens = (self.max_tokens,) if isinstance(self.max_tokens, int) else self.max_tokens
        return tokens * len(self.buckets) if len(tokens) == 1 else tokens

    @property
    def timeline(self) -> bool:
        """Do batches say when tokens sound?"""
        return False

    @property
    def has_prompts(self) -> bool:
        """Do batches hold prompts that a generator's frozen parts have read before?"""
        return False

    def within(self, seconds: float, tokens: int) -> Self:
        """The settings for a model whose longest clip and text are these.

        Longer clips go to a bucket of `seconds`, and are cropped to it.
        """
        shorter = sum(bucket < seconds for bucket in self.buckets)
        buckets = (*self.buckets[:shorter], min(seconds, self.buckets[-1]))[: len(self.buckets)]
        return dataclasses.replace(
            self,
            buckets=buckets,
            batch_sizes=self.batch_sizes[: len(buckets)],
            max_tokens=tuple(min(count, tokens) for count in self.bucket_tokens[: len(buckets)]),
            **self._mixed_within(len(buckets)),
        )

    def _mixed_within(self, count: int) -> dict[str, object]:
        """Settings of what is mixed live, for so many buckets; see `first_shares`."""
        return {}

    def draw_condition(
        self, views: Mapping[str, Sequence[str]], rng: np.random.Generator
    ) -> tuple[str, bool]:
        """What a clip is shown with, all of it drawn.

        Args:
          views: each with its phrasings.
          rng: drawn from.

        Returns:
          The tagged string of one phrasing of each view, some views but the caption dropped, "" if
          no text is read; and whether the clip is shown without its condition.
        """
        text = ""
        if self.text_tokenizer:
            drawn = {view: texts[int(rng.integers(len(texts)))] for view, texts in views.items()}
            text = StructuredCaption(**drawn).drop_views(rng, self.view_dropout).format()
        return text, bool(rng.random() < self.condition_dropout)


def first_shares(shares: Sequence[float], count: int) -> tuple[float, ...]:
    """Shares of the first buckets, the last of which takes those of the others, too."""
    return (*shares[: count - 1], sum(shares[count - 1 :]))


def check_format(sample_rate: int, channels: int) -> None:
    """Raises ValueError unless audio can be of this rate and so many channels."""
    for name, value in (("sample_rate", sample_rate), ("channels", channels)):
        if value < 1:
            raise ValueError(f"{name}={value}: expected at least 1")


def check_weighted(name: str, pairs: Sequence[tuple[str, float]]) -> None:
    """Raises ValueError unless a setting of this name is (path, weight above 0) pairs."""
    if not pairs:
        raise ValueError(
            f"data.{name} is empty: expected a manifest, or a folder of audiogen encode-dataset "
            "(--set data=clips.jsonl)"
        )
    if any(not weight > 0 for _, weight in pairs):
        raise ValueError(f"{name}={pairs}: expected (path, weight above 0) pairs")


def no_clips(source: str, split: str) -> ValueError:
    """The error for a set without clips of a split."""
    advice = ""
    if split == "val":
        advice = (
            ': give some of its rows "split": "val", hold clips out with data.holdout, or train '
            "without validation with eval.batches=0"
        )
    return ValueError(f"{source} holds no clips of split {split!r}{advice}")


def check_crop(crop: str, choices: Sequence[str]) -> None:
    """Raises ValueError unless `crop` is one of some choices."""
    if crop not in choices:
        raise ValueError(f"crop={crop!r}: expected one of {tuple(choices)}")


class Conditioned(Protocol):
    """An example with its text and what else decides its condition."""

    @property
    def text(self) -> str: ...
    @property
    def drop_condition(self) -> bool: ...
    @property
    def clip_id(self) -> str: ...
    @property
    def timeline(self) -> Timeline | None: ...


TOKENS = ("token_ids", "token_mask", "token_spans")
"""Fields of batches that hold `Tokens`; with "/speech" behind them of texts without a view."""


def collate_condition(
    examples: Sequence[Conditioned],
    tokenizer: TextTokenizer | None,
    max_tokens: int,
    without_views: Sequence[str] = (),
) -> Batch:
    """`drop_condition` and `id` of examples; with a tokenizer `token_ids` and `token_mask`, and
    `token_spans` where they have timelines; and the same of their texts without each of some
    views."""
    batch: Batch = {
        "drop_condition": np.array([example.drop_condition for example in examples]),
        "id": np.array([example.clip_id for example in examples]),
    }
    if tokenizer is not None:
        timelines = [example.timeline for example in examples if example.timeline is not None]
        texts = [example.text for example in examples]
        for view in ("", *without_views):
            shown = [_without(text, view) for text in texts] if view else texts
            tokens = tokenizer.encode_batch(shown, max_tokens, timelines or None)
            arrays = tokens.ids, tokens.mask, tokens.spans
            names = (f"{name}/{view}" if view else name for name in TOKENS)
            fields = zip(names, arrays, strict=True)
            batch |= {name: np.asarray(array) for name, array in fields if array is not None}
        rows = zip(texts, np.asarray(batch["token_mask"]), strict=True)
        if any(tokenizer.are_cut([text for text, mask in rows if mask.all()], max_tokens)):
            _tell_of_cut(max_tokens)
    return batch


def _without(text: str, view: str) -> str:
    """A tagged string without a part of the scene, if it has another one."""
    if not text:
        return text
    rest = StructuredCaption.parse(text).without(view)
    return rest.format() if any(getattr(rest, part) for part in PARTS) else text


@functools.cache  # once: others that filter warnings make Python forget which it has shown
def _tell_of_cut(max_tokens: int) -> None:
    warnings.warn(
        f"there are captions of more than {max_tokens} tokens (data.max_tokens, or the most that "
        "the model reads): nothing is learned from their ends",
        stacklevel=3,
    )


@dataclasses.dataclass(frozen=True)
class Bucket(Generic[Clip, Example]):
    """The clips of about one length, whose batches have one shape.

    Attributes:
      sets: the clips of each set.
      load: makes an example of a clip, drawing from a generator that is its alone.
      collate: makes a batch of examples.
      streams: examples that have an order already, endless, each with its share of the clips.
    """

    sets: Sequence[Sequence[Clip] | grain.sources.RandomAccessDataSource[Clip]]
    load: Callable[[Clip, np.random.Generator], Example]
    collate: Callable[[Sequence[Example]], Batch]
    streams: Sequence[tuple[grain.MapDataset[Loaded[Example]], float]] = ()


def mixed_batches(
    config: BatchConfig,
    weights: Sequence[float],
    buckets: Sequence[Bucket[Clip, Example]],
    rows: RowsOf,
) -> ResumableBatches[Batch]:
    """Endless batches of this process; the buckets interleave alike on all processes.

    Batches do not depend on the number of processes: each loads the rows of them that it needs,
    and the state of the iterator is the same in all.

    Args:
      config: the settings.
      weights: share of the clips drawn from each set.
      buckets: one for each of `config.buckets`.
      rows: which rows of every batch this process loads.

    Raises:
      ValueError: there are no such rows.
    """
    selected = [list(rows(size)) for size in config.batch_sizes]
    for size, positions in zip(config.batch_sizes, selected, strict=True):
        if not positions or positions != sorted({*positions} & {*range(size)}):
            raise ValueError(
                f"rows {positions} of a batch of {size} clips: expected ascending ones"
            )
    totals = [sum(map(len, clips)) for clips in zip(*(b.sets for b in buckets), strict=True)]
    batches, rates = [], []
    for b, (bucket, batch_size) in enumerate(zip(buckets, config.batch_sizes, strict=True)):
        examples, shares = [], []
        for m, clips in enumerate(bucket.sets):
            if len(clips):
                seed = int(np.random.SeedSequence((config.seed, m, b)).generate_state(1)[0])
                order = grain.MapDataset.source(range(len(clips))).seed(seed).shuffle().repeat()
                examples.append(order.random_map(LoadOrReplace(clips, bucket.load)))
                shares.append(weights[m] * len(clips) / totals[m])
        for stream, share in bucket.streams:
            examples.append(stream)
            shares.append(share)
        if examples:
            mixed = grain.MapDataset.mix(examples, shares)
            loaded = _Rows(len(mixed) // batch_size, batch_size, selected[b])
            of_process = grain.MapDataset.select_from_datasets([mixed], loaded)
            batches.append(
                of_process.batch(
                    len(selected[b]), drop_remainder=True, batch_fn=_Collate(bucket.collate)
                )
            )
            rates.append(sum(shares) / batch_size)

    mixed = grain.MapDataset.mix(batches, rates)
    return ResumableBatches(mixed, config.num_workers, config.num_threads)


@dataclasses.dataclass(frozen=True)
class _Collate(Generic[Example]):
    """Collates examples, and says as `replaced` what could not be read in their places."""

    collate: Callable[[Sequence[Example]], Batch]

    def __call__(self, loaded: Sequence[Loaded[Example]]) -> Batch:
        batch = self.collate([each.example for each in loaded])
        return batch | {"replaced": np.array(["\n".join(each.problems) for each in loaded])}


class _Rows(DatasetSelectionMap):
    """Positions in the order of clips of the rows that one process loads of each batch.

    So a batch that is put together from all processes is the one that a single process loads.
    """

    def __init__(self, batches: int, batch_size: int, rows: Sequence[int]):
        self._batches, self._batch_size, self._rows = batches, batch_size, rows

    def __len__(self) -> int:
        return self._batches * len(self._rows)

    def __getitem__(self, index: int) -> tuple[int, int]:
        batch, row = divmod(index, len(self._rows))
        return 0, batch * self._batch_size + self._rows[row]
