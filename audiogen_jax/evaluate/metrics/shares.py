"""Shares of clips, with how far chance may have moved them."""

import math
from typing import NamedTuple

Z = 1.959964
"""Standard deviations that 95 % of a normal distribution are within."""


class Share(NamedTuple):
    """How many of some clips.

    Attributes:
      share: in [0, 1].
      low: of the 95 % interval.
      high: of the 95 % interval.
      clips: how many there were.
    """

    share: float
    low: float
    high: float
    clips: int


def share_of(hits: int, clips: int) -> Share:
    """A share with its 95 % interval by Wilson's score (1927), right for few clips too.

    Args:
      hits: clips that count.
      clips: all of them.

    Raises:
      ValueError: no clips, or more hits than clips.
    """
    if not 0 <= hits <= clips or clips == 0:
        raise ValueError(f"{hits} of {clips} clips: expected at least one, and no more hits")
    share, weight = hits / clips, Z * Z / clips
    centre = (share + weight / 2) / (1 + weight)
    half = Z / (1 + weight) * math.sqrt(share * (1 - share) / clips + weight / (4 * clips))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Share(share, min(low, share), max(high, share), clips)
