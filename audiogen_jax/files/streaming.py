"""Clips that are delivered while they are made, stretch by stretch."""

from collections.abc import Iterable, Iterator

import numpy as np
import soxr
from jaxtyping import Float32

from audiogen_jax.files.audio import convert
from audiogen_jax.files.delivery import Delivery

STREAMED = ("sample_rate", "channels")
"""What of a delivery does not need the whole clip."""


def check_streamed(delivery: Delivery) -> None:
    """Raises ValueError for what is done to whole clips alone."""
    if whole := [name for name in delivery.settings if name not in STREAMED]:
        raise ValueError(
            f"{whole[0]} of a stream: {', '.join(whole)} needs the whole clip, leave it or the "
            "stream out"
        )


def delivered_samples(samples: int, sample_rate: int, delivery: Delivery) -> int:
    """How many samples become of so many."""
    rate = delivery.sample_rate or sample_rate
    return (2 * samples * rate + sample_rate) // (2 * sample_rate)


def delivered(
    stretches: Iterable[Float32[np.ndarray, "n ..."]], sample_rate: int, delivery: Delivery
) -> Iterator[Float32[np.ndarray, "m a"]]:
    """Delivers stretches of a clip; together they are what `Delivery.apply` makes of all of it.

    Args:
      stretches: of the clip, one after another, [n] or [n a].
      sample_rate: Hz of them.
      delivery: as `check_streamed` has it.

    Yields:
      Samples [m a], at once.
    """
    rate, resampler = delivery.sample_rate or sample_rate, None
    for stretch in stretches:
        columns = stretch if stretch.ndim == 2 else stretch[:, None]
        columns, _ = convert(columns, sample_rate, sample_rate, delivery.channels)
        if rate == sample_rate:
            yield columns
            continue
        count = columns.shape[1]
        if resampler is None:
            resampler = soxr.ResampleStream(sample_rate, rate, count, "float32", "VHQ")
        yield resampler.resample_chunk(columns)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros((0, count), np.float32), last=True)
