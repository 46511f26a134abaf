"""The batches that a config asks for: recordings of manifests, or latents encoded beforehand."""

from typing import Any

import grain
import numpy as np

from audiogen_jax.input.pipeline import DataConfig, make_iterator
from audiogen_jax.models.tokenizer import latent_length


def open_batches(
    config: Any, split: str, seed: int, process_index: int = 0, process_count: int = 1
) -> grain.DatasetIterator[dict[str, np.ndarray]]:
    """Endless batches of one process; see `input.pipeline`.

    Args:
      config: its `data` is a `DataConfig`.
      split: "train" or "val".
      seed: of order and augmentation.
      process_index: of this process.
      process_count: number of processes.
    """
    data = DataConfig(**config.data, split=split, seed=seed)
    return make_iterator(data, process_index, process_count)


def valid_frames(batch: dict[str, np.ndarray]) -> int:
    """Latent frames in a batch that are not padding."""
    return int(np.sum(latent_length(batch["length"])))
