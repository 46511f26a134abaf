"""Training objectives of the generator: flow matching and duration, in float32."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Num

from audiogen_jax.flow.path import interpolate, velocity_target
from audiogen_jax.types import FrameMask, Latents, VelocityFn


def masked_mean(
    values: Float[Array, "b t c"],
    mask: Bool[Array, "b t"],
    count: Num[Array, ""] | None = None,
) -> Float[Array, ""]:
    """Mean over the channels of valid frames, in float32; masked values may be NaN.

    Every valid frame of the batch weighs the same, so longer clips weigh more. 0 without any.
    `count` stands in for the number of valid frames where these clips are but some of a batch.
    """
    valid = mask[:, :, None]
    total = jnp.sum(jnp.where(valid, values.astype(jnp.float32), 0))
    count = jnp.sum(mask) if count is None else count
    return total / jnp.maximum(count * values.shape[-1], 1)


def flow_matching_loss(
    velocity_fn: VelocityFn,
    data: Latents,
    noise: Latents,
    sigma: Float[Array, " b"],
    mask: FrameMask,
    count: Num[Array, ""] | None = None,
) -> Float[Array, ""]:
    """Mean squared error of the velocity on the straight path (Liu et al. 2022, equation 1).

    Args:
      velocity_fn: the model.
      data: clean latents.
      noise: standard normal noise.
      sigma: noise level of each clip, in [0, 1].
      mask: True at valid frames; the others are zeroed on the way in and do not count.
      count: what the sum over frames is divided by; the number of valid frames if None.
    """
    valid = mask[:, :, None]
    data, noise = jnp.where(valid, data, 0), jnp.where(valid, noise, 0)
    predicted = velocity_fn(interpolate(data, noise, sigma), sigma)
    error = predicted.astype(jnp.float32) - velocity_target(data, noise)
    return masked_mean(jnp.square(error), mask, count)


def duration_loss(
    log_duration: Float[Array, " b"], seconds: Float[Array, " b"], offset: float
) -> Float[Array, ""]:
    """Mean squared error of ln(seconds + offset).

    Args:
      log_duration: predictions.
      seconds: true durations.
      offset: `duration_offset` of the configuration, seconds.
    """
    return jnp.mean(jnp.square(log_duration - jnp.log(seconds + offset)))
