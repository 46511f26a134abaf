"""VGGish: a small VGG over 0.96 s of log-mel, the embedding of the Frechet Audio Distance."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from audiogen_jax.checkpoints.parameter_hash import params_sha256
from audiogen_jax.evaluate.embedders.embedder import Embeddings, Identity
from audiogen_jax.evaluate.embedders.weights import find_file, read_weights, take_weights
from audiogen_jax.evaluate.waveforms import RESAMPLER, clips_at
from audiogen_jax.types import Params

SAMPLE_RATE = 16000
WINDOW, HOP, N_FFT = 400, 160, 512
PATCH = 96
"""Mel frames that the network sees: 0.96 s, and the next ones follow without overlap."""
N_MELS, LOWEST, HIGHEST = 64, 125.0, 7500.0
OFFSET = 0.01
CONVOLUTIONS = (0, 3, 6, 8, 11, 13)
POOLED = (0, 3, 8, 13)
"""Convolutions behind which every other row and column stays."""
DENSE = (0, 2, 4)
NAMES = tuple(
    f"{part}.{number}.{kind}"
    for part, numbers in (("features", CONVOLUTIONS), ("embeddings", DENSE))
    for number in numbers
    for kind in ("weight", "bias")
)
"""Of the tensors, as in the port to torch that is in use (`torchvggish`)."""


class VggishEmbedder:
    """VGGish (Hershey et al. 2017, arXiv:1609.09430) with the weights of a file.

    Embeddings are what the last layer gives, before any ReLU, without the PCA and the 8 bits of
    AudioSet's release: as the Frechet Audio Distance takes them (arXiv:1812.08466).
    """

    def __init__(self, source: str | Path):
        """Reads the weights.

        Args:
          source: of `find_file`: tensors named as `torchvggish` does, .safetensors or .pth.

        Raises:
          ValueError: there is no such file, or it holds another network.
          OSError: it cannot be read.
        """
        path = find_file(source)
        self._params: Params = take_weights(read_weights(path), NAMES, "VGGish", path)
        self._apply = jax.jit(_network)
        self.identity = Identity(
            name="VGGish",
            weights_sha256=params_sha256(self._params),
            sample_rate=SAMPLE_RATE,
            resampler=RESAMPLER,
            layer="last, before ReLU and PCA",
            pooling="mean of whole 0.96 s patches; a shorter clip is filled up with zeros",
        )

    def embed_patches(
        self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int
    ) -> list[Float[np.ndarray, "w d"]]:
        """Embeddings of the patches of each clip; a set of these is one way to a distance.

        Args:
          clips: mono, float [n] each.
          sample_rate: of the clips, Hz.

        Raises:
          ValueError: there are no clips, or one is no mono clip of finite floats.
        """
        return [
            # One patch at a time: what a program makes of one does not depend on the others.
            np.concatenate([self._apply(self._params, patch[None]) for patch in patches(clip)])
            for clip in clips_at(SAMPLE_RATE, clips, sample_rate)
        ]

    def embed(self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int) -> Embeddings:
        """The mean patch of each clip, see `embed_patches`."""
        means = [rows.mean(axis=0) for rows in self.embed_patches(clips, sample_rate)]
        return Embeddings(np.stack(means), self.identity)


def patches(samples: Float[np.ndarray, " n"]) -> Float[np.ndarray, "w 96 64"]:
    """Log-mel of 16 kHz audio as AudioSet's release computes it, in whole patches."""
    needed = WINDOW + (PATCH - 1) * HOP
    samples = np.pad(samples.astype(np.float64), (0, max(0, needed - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    magnitudes = np.abs(np.fft.rfft(frames * window, N_FFT))
    log_mel = np.log(magnitudes @ _filters() + OFFSET).astype(np.float32)
    count = len(log_mel) // PATCH
    return log_mel[: count * PATCH].reshape(count, PATCH, N_MELS)


def _filters() -> Float[np.ndarray, "257 64"]:
    """Triangles on the mel axis itself, 1127 ln(1 + hz / 700); none hears 0 Hz."""
    mel = 1127 * np.log(1 + np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1) / 700)
    low, high = (1127 * np.log(1 + hz / 700) for hz in (LOWEST, HIGHEST))
    edges = np.linspace(low, high, N_MELS + 2)
    rising = (mel[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mel[:, None]) / (edges[2:] - edges[1:-1])
    filters = np.maximum(0, np.minimum(rising, falling))
    filters[0] = 0
    return filters


def _network(params: Params, log_mel: Float[Array, "b 96 64"]) -> Float[Array, "b d"]:
    x = log_mel[:, None]
    for number in CONVOLUTIONS:
        weight, bias = (params[f"features.{number}.{kind}"] for kind in ("weight", "bias"))
        x = jax.lax.conv_general_dilated(x, weight, (1, 1), "SAME", precision="highest")
        x = jax.nn.relu(x + bias[:, None, None])
        if number in POOLED:
            b, c, t, f = x.shape
            x = x.reshape(b, c, t // 2, 2, f // 2, 2).max((3, 5))
    x = x.transpose(0, 2, 3, 1).reshape(len(x), -1)
    for number in DENSE:
        weight, bias = (params[f"embeddings.{number}.{kind}"] for kind in ("weight", "bias"))
        x = jnp.dot(jax.nn.relu(x), weight.T, precision="highest") + bias
    return x
