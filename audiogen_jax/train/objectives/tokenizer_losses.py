"""Losses of the tokenizer: multi-scale mel, semantic preservation, hinge GAN, feature matching."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from audiogen_jax.ops.mel import mel_spectrogram

MEL_SCALES = ((256, 20), (512, 40), (1024, 80), (2048, 128))
"""(n_fft, n_mels) of the reconstruction loss; hops are a quarter of n_fft."""

MEL_FLOOR = 1e-5


def multi_scale_mel_loss(
    target: Float[Array, "b n"], predicted: Float[Array, "b n"]
) -> Float[Array, ""]:
    """Mean over scales of the L1 distance of natural-log mel magnitudes.

    Source: HiFi-GAN, https://arxiv.org/abs/2010.05646, eq. 5, at the scales of `MEL_SCALES`.
    """
    distances = []
    for n_fft, n_mels in MEL_SCALES:
        log_target, log_predicted = (
            jnp.log(
                jnp.maximum(
                    mel_spectrogram(audio, n_fft=n_fft, hop=n_fft // 4, n_mels=n_mels, power=1),
                    MEL_FLOOR,
                )
            )
            for audio in (target, predicted)
        )
        distances.append(jnp.abs(log_target - log_predicted).mean())
    return jnp.stack(distances).mean()


def semantic_preservation_loss(
    latents: Float[Array, "b t c"], semantic: Float[Array, "b t c"]
) -> Float[Array, ""]:
    """Mean of 1 - cos(latent, semantic token) over frames.

    The injected acoustic vector may change a latent's length but is charged for turning it away
    from the frozen encoder's token, which is what readers of meaning were trained on.
    """
    dot = jnp.sum(latents * semantic, axis=-1)
    norms = jnp.sqrt(jnp.sum(latents**2, -1) * jnp.sum(semantic**2, -1) + 1e-12)
    return jnp.mean(1 - dot / norms)


def hinge_discriminator_loss(
    real: Sequence[Float[Array, "b t f"]], fake: Sequence[Float[Array, "b t f"]]
) -> Float[Array, ""]:
    """Mean over scales of E[max(0, 1 - D(real))] + E[max(0, 1 + D(fake))] (arXiv:1705.02894)."""
    losses = [
        jnp.maximum(0, 1 - r).mean() + jnp.maximum(0, 1 + f).mean()
        for r, f in zip(real, fake, strict=True)
    ]
    return jnp.stack(losses).mean()


def hinge_generator_loss(fake: Sequence[Float[Array, "b t f"]]) -> Float[Array, ""]:
    """Mean over scales of E[max(0, 1 - D(fake))] (EnCodec, https://arxiv.org/abs/2210.13438)."""
    return jnp.stack([jnp.maximum(0, 1 - f).mean() for f in fake]).mean()


def feature_matching_loss(
    real: Sequence[Float[Array, "b t f c"]],
    fake: Sequence[Float[Array, "b t f c"]],
    sizes: Float[Array, " layers"],
) -> Float[Array, ""]:
    """Mean over layers of |real - fake| / mean |real| (EnCodec, eq. 2).

    Dividing by the size of the features keeps the discriminator from scaling the loss at will.

    Args:
      real: features of recordings, of each layer.
      fake: of what stands for them.
      sizes: `feature_sizes` of the whole batch, of which these may be a part.
    """
    losses = [jnp.abs(r - f).mean() for r, f in zip(real, fake, strict=True)]
    return (jnp.stack(losses) / (sizes + 1e-6)).mean()


def feature_sizes(real: Sequence[Float[Array, "b t f c"]]) -> Float[Array, " layers"]:
    """Mean |real| of each layer."""
    return jnp.stack([jnp.abs(r).mean() for r in real])
