"""Guidance: velocities under several conditions combined into one."""

import dataclasses
from collections.abc import Sequence
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from audiogen_jax.types import Latents, VelocityFn


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Guidance:
    """Weights of the velocities under k conditions; a pytree, so that scales are no constants.

    Attributes:
      weights: of [what is guided away from, the prompt, the prompt without each of some views],
        summing to 1; of the prompt alone if guidance is off.
      interval: lowest and highest noise level at which guidance acts, at all if None: Kynkäänniemi
        et al. 2024 (https://arxiv.org/abs/2404.07724).
      rescale: how far the result is brought back to the spread of the prompt's own velocity, in
        [0, 1]; not at all if None. Lin et al. 2023 (https://arxiv.org/abs/2305.08891), equations 15
        and 16, with the spread over the channels of each frame.
      scale: that a distilled network is told; None for other networks.
    """

    weights: Float[Array | np.ndarray, " k"]
    interval: Float[Array | np.ndarray, " 2"] | None = None
    rescale: Float[Array | np.ndarray, ""] | None = None
    scale: Float[Array | np.ndarray, ""] | None = None

    @classmethod
    def told(cls, scale: float) -> Self:
        """The velocity of the prompt by a network that reads the scale; see `flow.flow_map`."""
        return cls(np.ones(1, np.float32), scale=np.asarray(scale, np.float32))

    @classmethod
    def off(cls) -> Self:
        """The velocity of the prompt, as it is."""
        return cls(np.ones(1, np.float32))

    @classmethod
    def classifier_free(
        cls,
        scale: float,
        views: Sequence[float] = (),
        interval: tuple[float, float] | None = None,
        rescale: float = 0.0,
    ) -> Self:
        """u + scale (c - u) of Ho and Salimans 2022, equation 6, with scales of views beside it.

        A view k with a scale of its own adds (scale_k - scale) (c - c without k), after the
        composition of Liu et al. 2022 (https://arxiv.org/abs/2206.01714): at scale_k = scale
        nothing changes, below it the view counts less.

        Args:
          scale: guidance scale of the whole prompt.
          views: the scales of the views that have one.
          interval: see the class.
          rescale: see the class.
        """
        extra = [view - scale for view in views]
        weights = [1.0 - scale, scale + sum(extra), *(-value for value in extra)]
        limits = None if interval is None else np.asarray(interval, np.float32)
        share = np.asarray(rescale, np.float32) if rescale else None
        return cls(np.asarray(weights, np.float32), limits, share)


def guide(
    velocity_fn: VelocityFn, guidance: Guidance, prompts_only: VelocityFn | None = None
) -> VelocityFn:
    """The weighted sum of the velocities under k conditions.

    Args:
      velocity_fn: over k times the batch, one condition after the other; takes (sigma, level).
      guidance: their weights.
      prompts_only: the velocity under the prompts alone, for noise levels outside the interval.

    Returns:
      The velocity over the single batch; takes (sigma, level) too.
    """
    count = len(guidance.weights)

    def guided(x: Latents, level: PyTree) -> Latents:
        velocities = velocity_fn(jnp.tile(x, (count, 1, 1)), level)
        split = velocities.reshape(count, *x.shape).astype(jnp.float32)
        combined = jnp.einsum("k,kbtc->btc", guidance.weights, split, precision="highest")
        if guidance.rescale is None:
            return combined
        return _rescaled(combined, split[1], guidance.rescale)

    if guidance.interval is None or prompts_only is None:
        return guided
    low, high = guidance.interval

    def within_interval(x: Latents, level: PyTree) -> Latents:
        sigma, _ = level
        acts = (low <= sigma) & (sigma <= high)
        return jax.lax.cond(acts, guided, prompts_only, x, level)

    return within_interval


def _rescaled(guided: Latents, prompt: Latents, share: Float[Array | np.ndarray, ""]) -> Latents:
    """`guided`, by a share of the way with the spread over channels that `prompt` has."""
    wanted, given = (jnp.std(v, axis=-1, ddof=1, keepdims=True) for v in (prompt, guided))
    factor = jnp.where(given > 0, wanted / jnp.where(given > 0, given, 1), 1)
    return guided * (share * factor + 1 - share)
