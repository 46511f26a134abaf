"""Datasets of latents to batches: mixture of folders, buckets of fixed shape, exact resume.

The counterpart of `pipeline` for clips that were encoded before (`audiogen encode-dataset`).
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import grain
import ml_dtypes
import numpy as np

from audiogen_jax.input.latent_dataset import LatentDataset
from audiogen_jax.input.manifest import SPLITS
from audiogen_jax.input.mixture import (
    Batch,
    add_tokens,
    check_processes,
    check_settings,
    draw_text,
    mixed_batches,
)
from audiogen_jax.input.text import TextTokenizer

LATENT_CROPS = ("random", "start")


@dataclasses.dataclass(frozen=True)
class LatentDataConfig:
    """What the input pipeline of latents reads and how.

    Attributes:
      datasets: (folder, weight) pairs; a weight is the share of clips drawn from that folder.
      split: "train" or "val".
      buckets: clip lengths in seconds, ascending. A clip goes to the shortest bucket that holds
        it; one longer than the last bucket is cropped to it.
      batch_sizes: clips per batch over all processes, one per bucket.
      crop: where a long clip is cut: "random" or "start".
      view_dropout: probability of dropping each view but the caption.
      condition_dropout: probability of `drop_condition` (for classifier-free guidance).
      text_tokenizer: a `tokenizer.json`; without one batches hold no tokens.
      max_tokens: text tokens per clip, one number per bucket (short clips have short captions) or
        one for all; longer texts are cut.
      seed: of order, crops and dropout.
      num_workers: processes that read ahead; 0 reads in threads of this process, which is faster
        here: reading, copying and tokenizing run outside of Python's lock.
      num_threads: reading threads per process.
      tokenizer_hash: of the encoder that must have made all latents; any if empty, but one.
    """

    datasets: tuple[tuple[str, float], ...]
    split: str = "train"
    buckets: tuple[float, ...] = (5.0,)
    batch_sizes: tuple[int, ...] = (16,)
    crop: str = "random"
    view_dropout: float = 0.2
    condition_dropout: float = 0.1
    text_tokenizer: str | None = None
    max_tokens: int | tuple[int, ...] = 128
    seed: int = 0
    num_workers: int = 0
    num_threads: int = 2
    tokenizer_hash: str = ""

    def __post_init__(self):
        check_settings(self, "datasets", LATENT_CROPS)


@dataclasses.dataclass(frozen=True)
class _LoadExample:
    """(position, clip) -> one example, drawing from a generator of its own."""

    config: LatentDataConfig
    dataset: LatentDataset
    frames: int
    seeds: tuple[int, ...]

    def __call__(self, indexed: tuple[int, int]) -> dict[str, Any]:
        position, clip = indexed
        config = self.config
        rng = np.random.default_rng((*self.seeds, position))
        record = self.dataset.read(clip)
        surplus = max(0, len(record.latents) - self.frames)
        start = int(rng.integers(surplus + 1)) if surplus and config.crop == "random" else 0
        return {
            "latents": record.latents[start : start + self.frames],
            "text": draw_text(record.views, rng, config.view_dropout)
            if config.text_tokenizer
            else None,
            "drop_condition": bool(rng.random() < config.condition_dropout),
            "id": record.audio_id,
        }


@dataclasses.dataclass(frozen=True)
class _Collate:
    """Pads and stacks examples and tokenizes their texts."""

    tokenizer: TextTokenizer | None
    max_tokens: int
    frames: int
    channels: int

    def __call__(self, examples: Sequence[dict[str, Any]]) -> Batch:
        # As integers, which numpy copies faster; zero bits are zero.
        latents = np.zeros((len(examples), self.frames, self.channels), np.uint16)
        for row, example in zip(latents, examples, strict=True):
            row[: len(example["latents"])] = example["latents"].view(np.uint16)
        batch = {
            "latents": latents.view(ml_dtypes.bfloat16),
            "lengths": np.array([len(example["latents"]) for example in examples], np.int32),
            "drop_condition": np.array([example["drop_condition"] for example in examples]),
            "id": np.array([example["id"] for example in examples]),
        }
        if self.tokenizer is not None:
            add_tokens(batch, examples, self.tokenizer, self.max_tokens)
        return batch


def make_latent_iterator(
    config: LatentDataConfig, process_index: int = 0, process_count: int = 1
) -> grain.DatasetIterator[Batch]:
    """Endless batches of this process; the buckets interleave alike on all processes.

    Each epoch of a dataset visits every clip once, over all processes together.

    Args:
      config: see `LatentDataConfig`.
      process_index: of this process, in [0, process_count).
      process_count: must divide every batch size.

    Returns:
      A grain iterator (`get_state`, `set_state` resume exactly) of dicts of numpy arrays:
      `latents` bfloat16 [b t c] zero-padded, `lengths` int32 [b] valid frames, `drop_condition`
      bool [b], `id` str [b], and with a text tokenizer `token_ids` int32 [b l] and `token_mask`
      bool [b l]. t is the length of the batch's bucket.

    Raises:
      FileNotFoundError: no such dataset or tokenizer, or a shard of a dataset is missing.
      ValueError: datasets of another tokenizer or of several, a damaged dataset, a split without
        clips, an uneven batch size, or (while iterating) a corrupted record; the message names it.
    """
    check_processes(config, process_index, process_count)
    tokenizer = TextTokenizer.from_file(config.text_tokenizer) if config.text_tokenizer else None
    datasets = [LatentDataset(folder) for folder, _ in config.datasets]
    _check_origin(datasets, config.tokenizer_hash)
    info = datasets[0].info
    frames = np.array([round(seconds * info.latent_rate) for seconds in config.buckets])
    shelves = [_by_bucket(dataset, config, frames) for dataset in datasets]

    def load(m: int, b: int) -> _LoadExample:
        return _LoadExample(config, datasets[m], int(frames[b]), (config.seed, m, b))

    def collate(b: int, max_tokens: int) -> _Collate:
        return _Collate(tokenizer, max_tokens, int(frames[b]), info.channels)

    weights = [weight for _, weight in config.datasets]
    return mixed_batches(config, weights, shelves, load, collate, process_index, process_count)


def _check_origin(datasets: Sequence[LatentDataset], tokenizer_hash: str) -> None:
    """Latents of two tokenizers do not mix, not even at equal shapes."""
    for dataset in datasets:
        found = dataset.info.tokenizer_sha256
        if tokenizer_hash and found != tokenizer_hash:
            raise ValueError(
                f"{dataset.folder} holds latents of tokenizer {found}, expected {tokenizer_hash}: "
                "encode its audio again with audiogen encode-dataset, or train with its tokenizer"
            )
        first = datasets[0]
        if found != first.info.tokenizer_sha256:
            raise ValueError(
                f"{dataset.folder} holds latents of tokenizer {found}, {first.folder} those of "
                f"{first.info.tokenizer_sha256}: encode both with one tokenizer"
            )


def _by_bucket(
    dataset: LatentDataset, config: LatentDataConfig, frames: np.ndarray
) -> list[np.ndarray]:
    """Numbers of the clips of the split, one array per bucket; four bytes for each clip."""
    chosen = dataset.splits == SPLITS.index(config.split)
    if not chosen.any():
        raise ValueError(f"{dataset.folder} holds no clips of split {config.split!r}")
    if config.text_tokenizer and (silent := chosen & ~dataset.captioned).any():
        audio_id = dataset.audio_id(int(np.argmax(silent)))
        raise ValueError(f"{dataset.folder}: clip {audio_id!r} has no caption to train on")
    edges = [0, *frames[:-1], np.iinfo(np.int32).max]
    return [
        np.flatnonzero(chosen & (above < dataset.frames) & (dataset.frames <= upto)).astype("u4")
        for above, upto in itertools.pairwise(edges)
    ]
