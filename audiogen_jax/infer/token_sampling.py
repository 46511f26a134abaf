"""Token ids to latents, without texts and waveforms."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from audiogen_jax.infer.make_requests import check_predicted
from audiogen_jax.infer.noise import clip_keys, clip_noise
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.types import FrameMask, Latents, Tokens, as_float32


def sample_tokens(
    sampler: Sampler,
    token_ids: ArrayLike,
    token_mask: ArrayLike,
    noise: ArrayLike | None,
    options: SamplingOptions,
) -> tuple[Latents, FrameMask]:
    """See `Pipeline.sample_latents`."""
    tokens = Tokens(np.asarray(token_ids), np.asarray(token_mask, bool))
    shapes = tokens.ids.shape, tokens.mask.shape
    if tokens.ids.ndim != 2 or shapes[0] != shapes[1] or tokens.ids.dtype.kind not in "iu":
        raise ValueError(
            f"token_ids of type {tokens.ids.dtype}, and token_mask, of shapes {shapes}: "
            "expected integers and booleans, both [b l]"
        )
    names = [str(row) for row in range(len(tokens.ids))]
    conditions = sampler.condition(tokens)
    lengths = sampler.frames(conditions)
    check_predicted(lengths, names, sampler.generator.latent_rate)
    longest, channels = int(lengths.max()), sampler.generator.latent_dim
    drawn: Array
    if noise is None:
        drawn = clip_noise(clip_keys(0, names), longest, channels)
    else:
        given = as_float32(noise, "noise")
        if not np.isfinite(given).all():
            raise ValueError("the noise holds NaN or infinite values")
        drawn = jnp.asarray(given)
    expected = (len(names), longest, channels)
    if drawn.ndim != 3 or drawn.shape[::2] != expected[::2] or drawn.shape[1] < longest:
        raise ValueError(f"noise of shape {drawn.shape}: expected [b t c] with at least {expected}")
    size = sampler.layout.rows
    rows = np.minimum(np.arange(-(-len(names) // size) * size), len(names) - 1)
    latents = sampler.sample(
        [[conditions[row]] for row in rows], lengths[rows], drawn[rows], options
    )
    return latents[: len(names)], jnp.arange(drawn.shape[1]) < lengths[:, None]
