"""Another sample rate by a short windowed sinc, as torchaudio resamples by default.

soxr, which everything else here goes through, keeps more of the highest octave and folds less back.
"""

import math

import numpy as np
from jaxtyping import Float32

_CROSSINGS, _ROLLOFF = 6, 0.99
_BLOCK = 1 << 16
"""Samples of the result at a time."""


def windowed_sinc(
    samples: Float32[np.ndarray, "n a"], rate: int, sample_rate: int
) -> Float32[np.ndarray, "m a"]:
    """Each sample of the result is a sum of those around it, whatever the two rates have in common.

    Args:
      samples: [n a].
      rate: Hz of them.
      sample_rate: Hz of the result, which has ceil(n sample_rate / rate) samples.
    """
    divisor = math.gcd(rate, sample_rate)
    old, new = rate // divisor, sample_rate // divisor
    cutoff = min(old, new) * _ROLLOFF
    reach = math.ceil(_CROSSINGS * old / cutoff)
    padded = np.pad(samples.astype(np.float64), ((reach, reach + 1), (0, 0)))
    count = -(-len(samples) * new // old)
    blocks = []
    for start in range(0, count, _BLOCK):
        places = np.arange(start, min(start + _BLOCK, count))
        around = (places * old // new)[:, None] + np.arange(-reach, reach + 2)
        time = np.clip((around / old - places[:, None] / new) * cutoff, -_CROSSINGS, _CROSSINGS)
        weights = np.sinc(time) * np.cos(time * np.pi / _CROSSINGS / 2) ** 2 * cutoff / old
        near = padded[np.clip(around + reach, 0, len(padded) - 1)]
        blocks.append(np.einsum("mt,mta->ma", weights, near))
    return np.concatenate(blocks).astype(np.float32)
