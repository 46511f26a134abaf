"""Datasets of random latents, for tests and benchmarks of what reads them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import ml_dtypes
import numpy as np

from audiogen_jax.input.latent_dataset import DatasetInfo
from audiogen_jax.input.latent_records import LatentRecord
from audiogen_jax.jobs.job import Share
from audiogen_jax.jobs.latent_folder import LatentFolder

TOKENIZER = "1" * 64


def random_latents(rng: np.random.Generator, frames: int, channels: int) -> np.ndarray:
    """Normal bfloat16 [t c]."""
    return rng.standard_normal((frames, channels), np.float32).astype(ml_dtypes.bfloat16)


def write_dataset(
    folder: Path, shards: Sequence[Iterable[LatentRecord]], channels: int, tokenizer=TOKENIZER
) -> Path:
    """Writes records as `audiogen encode-dataset` does, one inner sequence per shard."""
    info = DatasetInfo(tokenizer, 16000, 25.0, channels, {"max_seconds": None}, ())
    with LatentFolder(folder, {}, Share(), len(shards)) as store:
        for number, records in enumerate(shards):
            shard = store.begin(number)
            for record in records:
                shard.add(record)
            shard.commit([])
        assert store.finish(info) == 0
    return folder
