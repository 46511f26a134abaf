"""The batches that a config asks for: recordings of manifests, or latents encoded beforehand."""

from typing import Any

import grain
import numpy as np

from audiogen_jax.input.audio_batches import DataConfig, make_iterator
from audiogen_jax.input.latent_batches import LatentDataConfig, make_latent_iterator
from audiogen_jax.models.dasheng.tokenizer import latent_length


def open_batches(
    config: Any,
    split: str,
    seed: int,
    process_index: int = 0,
    process_count: int = 1,
    tokenizer: str = "",
) -> grain.DatasetIterator[dict[str, np.ndarray]]:
    """Endless batches of one process, of `data.manifests` (audio) or of `data.datasets` (latents).

    Args:
      config: its `data` is a `DataConfig` or a `LatentDataConfig`.
      split: "train" or "val".
      seed: of order and augmentation.
      process_index: of this process.
      process_count: number of processes.
      tokenizer: hash of the encoder that must have made all latents; any if empty.

    Raises:
      ValueError: as the pipelines do.
    """
    place = process_index, process_count
    if "datasets" in config.data:
        data = LatentDataConfig(**config.data, split=split, seed=seed, tokenizer_hash=tokenizer)
        return make_latent_iterator(data, *place)
    return make_iterator(DataConfig(**config.data, split=split, seed=seed), *place)


def valid_frames(batch: dict[str, np.ndarray]) -> int:
    """Latent frames in a batch that are not padding."""
    lengths = batch["lengths"]
    return int(np.sum(lengths if "latents" in batch else latent_length(lengths)))
