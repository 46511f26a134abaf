"""Reference audio as tokens of the prefix: a log-mel spectrogram, pressed to a few steps."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float, PRNGKeyArray

from audiogen_jax.models.omni.conditioners.layers import along_time, rms_norm
from audiogen_jax.models.omni.config import OmniConfig
from audiogen_jax.ops.mel import mel_spectrogram
from audiogen_jax.types import ModuleDTypes

FLOOR = 1e-5


def log_mel(audio: Float[Array, "b n"], config: OmniConfig) -> Float[Array, "b t f"]:
    """Natural log of mel magnitudes, floored at 1e-5; silence is a picture of -11.5."""
    mel = mel_spectrogram(
        audio,
        n_fft=config.n_fft,
        hop=config.hop_length,
        n_mels=config.n_mels,
        power=1,
        sample_rate=config.sample_rate,
    )
    return jnp.log(jnp.maximum(mel, FLOOR))


def hide_span(
    mel: Float[Array, "b t f"],
    start: Float[Array, " b"],
    share: Float[Array, " b"],
) -> Float[Array, "b t f"]:
    """Zeros (no silence, which is -11.5) in one span of frames of every clip.

    Args:
      mel: log-mel spectrograms.
      start: first frame of the span.
      share: of the frames that is hidden.
    """
    frames = jnp.arange(mel.shape[1])
    length = jnp.floor(mel.shape[1] * share)
    hidden = (start[:, None] <= frames) & (frames < (start + length)[:, None])
    return jnp.where(hidden[:, :, None], 0, mel)


def draw_span(
    key: PRNGKeyArray | None, frames: int, clips: int, shares: tuple[float, float]
) -> tuple[Float[Array, " b"], Float[Array, " b"]]:
    """Start and share of a random span for each clip, as `hide_span` takes them.

    Args:
      key: random key; None for the end, by the mean of both shares.
      frames: of a spectrogram.
      clips: b.
      shares: the least and the most that is hidden.
    """
    if key is None:
        usual = jnp.full(clips, sum(shares) / 2)
        return frames - jnp.floor(frames * usual), usual
    of_share, of_start = jax.random.split(key)
    share = jax.random.uniform(of_share, (clips,), minval=shares[0], maxval=shares[1])
    last = frames - jnp.floor(frames * share)
    start = jnp.floor(jax.random.uniform(of_start, (clips,)) * (last + 1))
    return start, share


class MelTokens(nn.Module):
    """Linear along time first, then along mels, then RMS norm."""

    config: OmniConfig
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, mel: Float[Array, "b t f"]) -> Float[Array, "b u e"]:
        c = self.config
        dtypes = ModuleDTypes(dtype=self.dtype, param_dtype=self.param_dtype)
        steps = along_time(nn.Dense(c.mel_tokens, name="along_time", **dtypes), mel)
        return rms_norm(nn.Dense(c.cond_dim, name="along_mels", **dtypes)(steps))
