"""The starting noise of a clip, a function of (seed, clip id) alone."""

import hashlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key


def clip_keys(seed: int | Sequence[int], clip_ids: Sequence[str]) -> Key[Array, " b"]:
    """The random key of each clip: `fold_in(key(seed), stable_hash(clip id))`.

    The hash is 64 bits wide, folded in as two words, so that ids of large jobs do not collide.

    Args:
      seed: in [0, 2**32), of all clips or of each.
      clip_ids: any texts.
    """
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in clip_ids]
    words = np.frombuffer(b"".join(digests), "<u4").reshape(-1, 2)
    seeds = np.broadcast_to(np.asarray(seed, np.uint32), len(clip_ids))
    first = jax.vmap(jax.random.fold_in)(jax.vmap(jax.random.key)(seeds), words[:, 0])
    return jax.vmap(jax.random.fold_in)(first, words[:, 1])


@jax.jit(static_argnames=("num_frames", "channels"))
def clip_noise(keys: Key[Array, " b"], num_frames: int, channels: int) -> Float[Array, "b t c"]:
    """Standard normal noise; frame t of a clip depends on its key and t only.

    One key per frame makes the noise of a clip the same in every batch and every bucket, and
    makes a longer take of the same clip start with the noise of the shorter one.

    Args:
      keys: one per clip, from `clip_keys`.
      num_frames: t, latent frames.
      channels: c, latent channels.
    """

    def frame(key: Key[Array, ""], index: Array) -> Float[Array, " c"]:
        return jax.random.normal(jax.random.fold_in(key, index), (channels,), jnp.float32)

    over_frames = jax.vmap(frame, in_axes=(None, 0))
    return jax.vmap(over_frames, in_axes=(0, None))(keys, jnp.arange(num_frames))
