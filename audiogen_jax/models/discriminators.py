"""Multi-frequency discriminator: 2-D convolutions over complex spectrograms at several scales.

Source: MS-STFT discriminator of EnCodec (https://arxiv.org/abs/2210.13438, 3.4). Frequency is
reduced by stacking neighbouring bins as channels, which unlike a stride keeps every convolution
dense and costs no dilated gradient.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from audiogen_jax.ops.stft import hann_window, stft
from audiogen_jax.sharding.placement import AxisRules

AXES: AxisRules = (
    (r"stft\d+/(conv\d+|out)/kernel", ("embed", None)),
    (r"stft\d+/(conv\d+|out)/bias", (None,)),
)

FIRST_STACK = 8
"""Neighbouring bins that the first convolution sees as channels; later ones see pairs."""


class SpectrogramDiscriminator(nn.Module):
    """Logits per time-frequency patch of one complex STFT."""

    n_fft: int
    channels: int
    depth: int = 2

    @nn.compact
    def __call__(
        self, audio: Float[Array, "b n"]
    ) -> tuple[Float[Array, "b t _"], list[Float[Array, "b t _ c"]]]:
        # Scaled so that white noise of unit variance has bins of unit variance.
        scale = 1 / np.sqrt(np.sum(hann_window(self.n_fft) ** 2))
        spectrum = stft(audio, self.n_fft, self.n_fft // 4)[..., :-1] * scale
        x = _stack_bins(jnp.stack([spectrum.real, spectrum.imag], axis=-1), FIRST_STACK)
        features = []
        for i in range(self.depth + 1):
            if i:
                x = _stack_bins(x, 2)
            x = nn.leaky_relu(nn.Conv(self.channels, (3, 3), name=f"conv{i}")(x), 0.2)
            features.append(x)
        return nn.Conv(1, (3, 3), name="out")(x)[..., 0], features


class MultiFrequencyDiscriminator(nn.Module):
    """One discriminator per STFT size (multiples of 64 samples)."""

    n_ffts: tuple[int, ...] = (1024, 512, 256)
    channels: int = 16

    @nn.compact
    def __call__(
        self, audio: Float[Array, "b n"]
    ) -> tuple[list[Float[Array, "b _ _"]], list[Float[Array, "b _ _ c"]]]:
        """Judges audio.

        Args:
          audio: waveform, more than max(n_ffts) // 2 samples.

        Returns:
          Logits of each scale (high = real), and the feature maps of all scales.
        """
        logits, features = [], []
        for n_fft in self.n_ffts:
            scale_logits, scale_features = SpectrogramDiscriminator(
                n_fft, self.channels, name=f"stft{n_fft}"
            )(audio)
            logits.append(scale_logits)
            features += scale_features
        return logits, features


def _stack_bins(x: Float[Array, "b t f c"], count: int) -> Float[Array, "b t f//{count} c*{count}"]:
    b, t, f, c = x.shape
    return x.reshape(b, t, f // count, c * count)
