"""Noise levels to step through, from 1 (noise) to 0 (data), computed on the host.

The host computes them because the PyTorch release cuts its timesteps to integers: there the last
bit of a float32 decides, and XLA may contract or reorder what torch does not.
"""

import numpy as np
from jaxtyping import Float

SWAY = -1.0
"""Coefficient of the sway schedule in the release: more steps near the noise."""
LOGISTIC_MEAN, LOGISTIC_SCALE = 1.1, 1.5
"""Found on other clips of the embedded model than those that solvers are compared on."""


def sway(steps: int, coefficient: float = SWAY) -> Float[np.ndarray, " k"]:
    """Sway sampling, Chen et al. 2024 (F5-TTS), equation 7: `steps` steps, `steps + 1` levels.

    Args:
      steps: number of steps, at least 1.
      coefficient: in [-1, 2 / (pi - 2)]; 0 gives equal steps, negative ones more steps early on.

    Returns:
      float32, strictly falling from 1 to 0.

    Raises:
      ValueError: steps < 1, or a coefficient at which the levels would not fall.
    """
    levels = _sway_levels(steps, coefficient)
    levels[-1] = 0.0
    if not np.all(np.diff(levels) < 0):
        raise ValueError(f"{coefficient=} must be between -1 and 2 / (pi - 2) = 1.75")
    return levels


def linear(steps: int) -> Float[np.ndarray, " k"]:
    """Equal steps: `steps + 1` levels from 1 to 0, float32.

    Raises:
      ValueError: steps < 1.
    """
    _check(steps)
    # From 1 to 1 / steps and then 0, the release's way to write it, to the bit.
    return np.append(_linspace(1.0, 1.0 / steps, steps), np.float32(0.0))


def logistic(
    steps: int, mean: float = LOGISTIC_MEAN, scale: float = LOGISTIC_SCALE
) -> Float[np.ndarray, " k"]:
    """Equal shares of a logistic distribution of logit(sigma): fine steps at both ends.

    Second-order solvers need fewer of these steps than of others: they come out at about equal
    changes of log-SNR in the middle, where most of a clip is decided.

    Args:
      steps: number of steps, at least 1.
      mean: of logit(sigma); larger means more steps near the noise.
      scale: of the distribution; 1 and mean = ln(shift) give the shifted schedule of Esser et al.
        2024 (https://arxiv.org/abs/2403.03206, equation 23).

    Returns:
      float32, strictly falling from 1 to 0.

    Raises:
      ValueError: steps < 1.
    """
    _check(steps)
    share = np.linspace(0.0, 1.0, steps + 1)[1:-1]
    logits = mean + scale * (np.log1p(-share) - np.log(share))
    return np.concatenate([[1.0], 1.0 / (1.0 + np.exp(-logits)), [0.0]]).astype(np.float32)


SCHEDULES = {"sway": sway, "linear": linear, "logistic": logistic}


def release_sway(steps: int, coefficient: float = SWAY) -> Float[np.ndarray, " k"]:
    """The sway levels of the PyTorch release: `steps + 2`, the last step from about 0 to 0.

    Its scheduler appends a 0 to levels that already end there, hence one evaluation more that
    moves nothing. Coefficient 0 is the linear schedule, without it.
    """
    if coefficient == 0:
        return linear(steps)
    return np.append(_sway_levels(steps, coefficient), np.float32(0.0))


def _sway_levels(steps: int, coefficient: float) -> Float[np.ndarray, " k"]:
    _check(steps)
    time = _linspace(0.0, 1.0, steps + 1)
    angle = np.float32(np.pi / 2) * time
    curve = np.cos(angle) - np.float32(1.0) + time
    return np.float32(1.0) - (time + np.float32(coefficient) * curve)


def _linspace(start: float, stop: float, count: int) -> Float[np.ndarray, " k"]:
    """torch.linspace in float32: filled from both ends by fused multiply-adds."""
    if count == 1:
        return np.array([start], np.float32)
    low, high = np.float32(start), np.float32(stop)
    step = np.float64((high - low) / np.float32(count - 1))
    index = np.arange(count)
    rising = np.float64(low) + step * index
    falling = np.float64(high) - step * (count - 1 - index)
    return np.where(index < count // 2, rising, falling).astype(np.float32)


def _check(steps: int) -> None:
    if steps < 1:
        raise ValueError(f"{steps=} must be at least 1")
