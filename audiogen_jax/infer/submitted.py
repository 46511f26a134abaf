"""What lies between the start of a batch and its clips."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Array

from audiogen_jax.infer.requests import Request
from audiogen_jax.infer.source import Source


class Submitted(NamedTuple):
    """A batch that the devices are working on.

    Attributes:
      batch: what was asked for.
      seeds: of the clips.
      waveforms: float [rows n], or [rows n a]; rows beyond the batch only fill it up.
      finite: bool [rows], are the latents?
      source: real audio that the clips start from.
    """

    batch: Sequence[Request]
    seeds: Sequence[int]
    waveforms: Array
    finite: Array
    source: Source | None = None
