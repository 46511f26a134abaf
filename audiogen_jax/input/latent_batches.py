"""Datasets of latents to batches: mixture of folders, buckets of fixed shape, exact resume.

The counterpart of `audio_batches` for clips encoded beforehand (`audiogen encode-dataset`).
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import ml_dtypes
import numpy as np
from jaxtyping import BFloat16, UInt32

from audiogen_jax.input.holdout import held_out_of
from audiogen_jax.input.latent_dataset import LatentDataset
from audiogen_jax.input.latent_records import LatentRecord
from audiogen_jax.input.manifest import SPLITS
from audiogen_jax.input.mixture import (
    Batch,
    BatchConfig,
    Bucket,
    RowsOf,
    check_crop,
    check_weighted,
    collate_condition,
    mixed_batches,
    no_clips,
)
from audiogen_jax.input.prompt_arrays import (
    ArrayKind,
    Kinds,
    PromptArrays,
    collate_prompts,
    merge_kinds,
)
from audiogen_jax.input.resumable import ResumableBatches
from audiogen_jax.input.text import TextTokenizer
from audiogen_jax.timeline import Timeline
from audiogen_jax.types import LatentFolder, Positive

CROPS = ("random", "start")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentDataConfig(BatchConfig):
    """What the input pipeline of latents reads and how; see `BatchConfig` for the other settings.

    Attributes:
      datasets: (folder, weight) pairs; a weight is the share of clips drawn from that folder.
      crop: where a long clip is cut: "random" or "start".
      tokenizer_hash: of the encoder that must have made all latents; any if empty, but one.
      encoded_prompts: read the prompts that are stored with the clips, in the place of texts; they
        are as long as the longest, whatever `max_tokens`.
      prompts_hash: of what must have read those prompts; any if empty, but one.
    """

    datasets: tuple[tuple[LatentFolder, Positive], ...]
    crop: str = "random"
    tokenizer_hash: str = ""
    encoded_prompts: bool = False
    prompts_hash: str = ""

    def __post_init__(self):
        super().__post_init__()
        check_weighted("datasets", self.datasets)
        check_crop(self.crop, CROPS)
        if self.encoded_prompts and self.text_tokenizer:
            raise ValueError(
                f"text_tokenizer={self.text_tokenizer!r} beside encoded_prompts=True: a training "
                "reads texts or what was made of them"
            )

    @property
    def has_prompts(self) -> bool:
        return self.encoded_prompts


@dataclasses.dataclass(frozen=True)
class _Clips:
    """Some clips of a dataset, read when indexed."""

    dataset: LatentDataset
    numbers: UInt32[np.ndarray, " clips"]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> LatentRecord:
        return self.dataset.read(int(self.numbers[index]))


class _Example(NamedTuple):
    """One clip of a batch."""

    latents: BFloat16[np.ndarray, "t c"]
    text: str
    drop_condition: bool
    clip_id: str
    prompt: PromptArrays
    timeline: Timeline | None = None


@dataclasses.dataclass(frozen=True)
class _Load:
    """Cuts a clip and draws its text."""

    config: LatentDataConfig
    frames: int

    def __call__(self, record: LatentRecord, rng: np.random.Generator) -> _Example:
        surplus = max(0, len(record.latents) - self.frames)
        start = int(rng.integers(surplus + 1)) if surplus and self.config.crop == "random" else 0
        text, drop_condition = self.config.draw_condition(record.views, rng)
        window = record.latents[start : start + self.frames]
        return _Example(window, text, drop_condition, record.audio_id, record.prompt)


@dataclasses.dataclass(frozen=True)
class _Collate:
    """Pads and stacks examples and tokenizes their texts."""

    tokenizer: TextTokenizer | None
    max_tokens: int
    without_views: tuple[str, ...]
    frames: int
    channels: int
    prompts: Kinds

    def __call__(self, examples: Sequence[_Example]) -> Batch:
        # As integers, which numpy copies faster; zero bits are zero.
        latents = np.zeros((len(examples), self.frames, self.channels), np.uint16)
        for row, example in zip(latents, examples, strict=True):
            row[: len(example.latents)] = example.latents.view(np.uint16)
        batch = {
            "latents": latents.view(ml_dtypes.bfloat16),
            "lengths": np.array([len(example.latents) for example in examples], np.int32),
        }
        batch |= collate_prompts([example.prompt for example in examples], self.prompts)
        return batch | collate_condition(
            examples, self.tokenizer, self.max_tokens, self.without_views
        )


def make_latent_iterator(config: LatentDataConfig, rows: RowsOf = range) -> ResumableBatches[Batch]:
    """Endless batches of this process; the buckets interleave alike on all processes.

    Each epoch of a dataset visits every clip once, over all processes together.

    Args:
      config: see `LatentDataConfig`.
      rows: which rows of every batch this process loads.

    Returns:
      An iterator (`get_state`, `set_state` resume exactly) of dicts of numpy arrays:
      `latents` bfloat16 [b t c] zero-padded, `lengths` int32 [b] valid frames, `drop_condition`
      bool [b], `id` str [b], and with a text tokenizer `token_ids` int32 [b l] and `token_mask`
      bool [b l], with encoded prompts what `collate_prompts` makes; `replaced` str [b], why other
      clips than these could not be read. t is the length of the batch's bucket.

    Raises:
      FileNotFoundError: no such dataset or tokenizer, or a shard of a dataset is missing.
      ValueError: datasets of another tokenizer or of several, a damaged dataset, a split without
        clips, an uneven batch size, or (while iterating) too many corrupted records.
    """
    tokenizer = TextTokenizer.from_file(config.text_tokenizer) if config.text_tokenizer else None
    datasets = [LatentDataset(folder) for folder, _ in config.datasets]
    _check_origin(datasets, config.tokenizer_hash)
    prompts = _prompts(datasets, config.prompts_hash) if config.encoded_prompts else {}
    info = datasets[0].info
    frames = [round(seconds * info.latent_rate) for seconds in config.buckets]
    sets = [_by_bucket(dataset, config, frames) for dataset in datasets]
    buckets = [
        Bucket(
            [clips[b] for clips in sets],
            _Load(config, frames[b]),
            _Collate(
                tokenizer,
                config.bucket_tokens[b],
                config.without_views,
                frames[b],
                info.channels,
                prompts,
            ),
        )
        for b in range(len(config.buckets))
    ]
    weights = [weight for _, weight in config.datasets]
    return mixed_batches(config, weights, buckets, rows)


def _check_origin(datasets: Sequence[LatentDataset], tokenizer_hash: str) -> None:
    """Latents of two tokenizers do not mix, not even at equal shapes."""
    first = datasets[0]
    for dataset in datasets:
        sha256 = dataset.info.tokenizer_sha256
        if tokenizer_hash and sha256 != tokenizer_hash:
            raise ValueError(
                f"{dataset.folder} holds latents of tokenizer {sha256}, expected {tokenizer_hash}: "
                "encode its audio again with audiogen encode-dataset, or train with its tokenizer"
            )
        if sha256 != first.info.tokenizer_sha256:
            raise ValueError(
                f"{dataset.folder} holds latents of tokenizer {sha256}, {first.folder} those of "
                f"{first.info.tokenizer_sha256}: encode both with one tokenizer"
            )


def _prompts(datasets: Sequence[LatentDataset], prompts_hash: str) -> dict[str, ArrayKind]:
    """The arrays of the prompts of all datasets, which one model must have read."""
    infos = []
    for dataset in datasets:
        info, expected = dataset.info.prompts, prompts_hash or (infos and infos[0].sha256)
        if info is None:
            raise ValueError(
                f"{dataset.folder} holds no prompts: encode its audio again with audiogen "
                "encode-dataset --prompts-with MODEL, or set data.encoded_prompts=False"
            )
        if expected and info.sha256 != expected:
            raise ValueError(
                f"{dataset.folder} holds prompts that were read by {info.sha256}, expected "
                f"{expected}: another thinker, wording or size. Encode its audio again with "
                "audiogen encode-dataset --prompts-with MODEL, or train with that model"
            )
        infos.append(info)
    return merge_kinds([info.arrays for info in infos])


def _by_bucket(
    dataset: LatentDataset, config: LatentDataConfig, frames: Sequence[int]
) -> list[_Clips]:
    """The clips of the split in each bucket; four bytes for each clip."""
    validation = dataset.splits == SPLITS.index("val")
    if not validation.any() and config.holdout:
        clip_ids = dataset.audio_ids()
        chosen = held_out_of(dataset.folder, clip_ids, config.holdout)
        validation = np.array([clip_id in chosen for clip_id in clip_ids])
    chosen = validation if config.split == "val" else ~validation
    if not chosen.any():
        raise no_clips(str(dataset.folder), config.split)
    if config.text_tokenizer and (uncaptioned := chosen & ~dataset.captioned).any():
        audio_id = dataset.audio_id(int(np.argmax(uncaptioned)))
        raise ValueError(f"{dataset.folder}: clip {audio_id!r} has no caption to train on")
    edges = [0, *frames[:-1], np.iinfo(np.int32).max]
    between = (
        (above < dataset.frames) & (dataset.frames <= upto)
        for above, upto in itertools.pairwise(edges)
    )
    return [_Clips(dataset, np.flatnonzero(chosen & fits).astype("u4")) for fits in between]
