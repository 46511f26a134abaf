"""The starting noise of a clip, a function of (seed, clip id) alone."""

import hashlib

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


def clip_key(seed: int, clip_id: str) -> Key[Array, ""]:
    """The random key of one clip: `fold_in(key(seed), stable_hash(clip_id))`.

    The hash is 64 bits wide, folded in as two words, so that ids of large jobs do not collide.

    Args:
      seed: in [0, 2**32).
      clip_id: any text.
    """
    digest = hashlib.blake2b(clip_id.encode(), digest_size=8).digest()
    key = jax.random.key(seed)
    for word in (digest[:4], digest[4:]):
        key = jax.random.fold_in(key, int.from_bytes(word, "little"))
    return key


def clip_noise(keys: Key[Array, " b"], num_frames: int, channels: int) -> Float[Array, "b t c"]:
    """Standard normal noise; frame t of a clip depends on its key and t only.

    One key per frame makes the noise of a clip the same in every batch and every bucket, and
    makes a longer take of the same clip start with the noise of the shorter one.

    Args:
      keys: one per clip, from `clip_key`.
      num_frames: t, latent frames.
      channels: c, latent channels.
    """

    def frame(key: Key[Array, ""], index: Array) -> Float[Array, " c"]:
        return jax.random.normal(jax.random.fold_in(key, index), (channels,), jnp.float32)

    over_frames = jax.vmap(frame, in_axes=(None, 0))
    return jax.vmap(over_frames, in_axes=(0, None))(keys, jnp.arange(num_frames))
