"""musicnn: what music sounds like, by a network whose weights come in their wheel."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import librosa
import numpy as np
from jaxtyping import Array, Float

from audiogen_jax.checkpoints.parameter_hash import params_sha256
from audiogen_jax.checkpoints.tensorflow_bundle import read_bundle
from audiogen_jax.evaluate.embedders.embedder import Embeddings, Identity
from audiogen_jax.evaluate.recognisers.wheel_weights import weights_in_wheel
from audiogen_jax.evaluate.waveforms import RESAMPLER, clips_at
from audiogen_jax.types import Params

SAMPLE_RATE = 16000
PATCH = 187
"""Mel frames that the network sees: 3 s."""
DATA_SETS = ("MTT", "MSD")
INSTALL = "pip install --no-deps musicnn"
"""Without its dependencies: its own code runs in tensorflow, the weights do not need it."""


class MusicnnEmbedder:
    """musicnn (Pons & Serra 2019, arXiv:1909.06654), the layer before the tags: 200 values.

    Log-mels are those of the package but for their rounding to half precision, in which loud
    passages overflow. An `Embedder`.
    """

    def __init__(self, data_set: str = "MTT"):
        """Reads the weights.

        Args:
          data_set: that taught it: "MTT" (MagnaTagATune) or "MSD" (Million Song Dataset).

        Raises:
          NotInstalledError: the wheel `musicnn` (ISC) is not installed.
          ValueError: there is no such network, or its file cannot be read.
        """
        if data_set not in DATA_SETS:
            raise ValueError(f"musicnn of {data_set!r}: expected {', '.join(DATA_SETS)}")
        index = weights_in_wheel("musicnn", f"{data_set}_musicnn/.index", INSTALL)
        read = read_bundle(index)
        self._params: Params = {
            name: value
            for name, value in read.items()
            if "Adam" not in name and "_power" not in name
        }
        self._apply = jax.jit(_network)
        self.identity = Identity(
            name=f"musicnn {data_set}",
            weights_sha256=params_sha256(self._params),
            sample_rate=SAMPLE_RATE,
            resampler=RESAMPLER,
            layer="penultimate",
            pooling="mean of whole 3 s patches; a shorter clip's frames are repeated",
        )

    def embed(self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int) -> Embeddings:
        """The mean patch [b 200] of each clip; see `Embedder`."""
        means = []
        for clip in clips_at(SAMPLE_RATE, clips, sample_rate):
            # One patch at a time: what a program makes of one does not depend on the others.
            rows = [self._apply(self._params, patch[None])[0] for patch in patches(clip)]
            means.append(np.mean(rows, axis=0))
        return Embeddings(np.stack(means), self.identity)


def patches(samples: Float[np.ndarray, " n"]) -> Float[np.ndarray, "w 187 96"]:
    """Log-mel of 16 kHz audio in whole patches."""
    mel = librosa.feature.melspectrogram(
        y=samples, sr=SAMPLE_RATE, n_fft=512, hop_length=256, n_mels=96
    ).T
    mel = mel[np.arange(max(len(mel), PATCH)) % len(mel)]
    count = len(mel) // PATCH
    return np.log10(10000 * mel[: count * PATCH] + 1).reshape(count, PATCH, -1)


def _network(params: Params, log_mel: Float[Array, "b t f"]) -> Float[Array, "b d"]:
    """Layers are numbered as tensorflow did, in the order in which they were made."""

    def named(kind: str, number: int, name: str) -> Array:
        return params[f"{kind}_{number}/{name}" if number else f"{kind}/{name}"]

    def normalised(x: Array, number: int) -> Array:
        gamma, beta, mean, var = (
            named("batch_normalization", number, name)
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return (x - mean) * (gamma * jax.lax.rsqrt(var + 1e-3)) + beta

    def convolved(x: Float[Array, "b t f c"], number: int, padding) -> Float[Array, "b t f k"]:
        x = jax.lax.conv_general_dilated(
            x, named("conv2d", number, "kernel"), (1, 1), padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest",
        )  # fmt: skip
        return normalised(jax.nn.relu(x + named("conv2d", number, "bias")), number + 1)

    in_time = ((3, 3), (0, 0))
    x = normalised(log_mel[..., None], 0)
    timbral = [convolved(x, number, in_time).max(axis=2) for number in (0, 1)]
    temporal = [convolved(x, number, "SAME").max(axis=2) for number in (2, 3, 4)]
    front = jnp.concatenate([*timbral, *temporal], axis=2)
    layers = [front, convolved(front[..., None], 5, in_time)[:, :, 0]]
    for number in (6, 7):
        layers.append(convolved(layers[-1][..., None], number, in_time)[:, :, 0] + layers[-1])
    features = jnp.concatenate(layers, axis=2)
    pooled = jnp.stack([features.max(axis=1), features.mean(axis=1)], axis=2)
    x = normalised(pooled.reshape(len(pooled), -1), 9)
    x = jnp.dot(x, params["dense/kernel"], precision="highest") + params["dense/bias"]
    return normalised(jax.nn.relu(x), 10)
