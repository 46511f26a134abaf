"""PANNs CNN14: embeddings of clips, and logits of AudioSet's 527 classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import librosa
import numpy as np
from jaxtyping import Array, Float, Int

from audiogen_jax.checkpoints.parameter_hash import params_sha256
from audiogen_jax.evaluate.embedders.embedder import Embeddings, Identity
from audiogen_jax.evaluate.embedders.weights import find_file, read_weights, take_weights
from audiogen_jax.evaluate.waveforms import RESAMPLER, clips_at
from audiogen_jax.infer.buckets import bucket
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.types import Params

N_MELS = 64
BLOCKS = 6
MIN_FRAMES = 32
"""Five blocks halve the frames: fewer leave none."""
_SMALLEST = 128
_FILTERS = "logmel_extractor.melW"
_NORM = ("weight", "bias", "running_mean", "running_var")
NAMES = (
    *(f"bn0.{kind}" for kind in _NORM),
    *(
        f"conv_block{block}.{name}"
        for block in range(1, BLOCKS + 1)
        for number in (1, 2)
        for name in (f"conv{number}.weight", *(f"bn{number}.{kind}" for kind in _NORM))
    ),
    *(f"{layer}.{kind}" for layer in ("fc1", "fc_audioset") for kind in ("weight", "bias")),
)


class FrontEnd(NamedTuple):
    """Log-mel of one of the releases; windows are Hann's, as long as the transform.

    Attributes:
      sample_rate: Hz.
      n_fft: samples of a window.
      hop: samples between frames.
      highest: Hz of the last band; the first begins at 50.
    """

    sample_rate: int
    n_fft: int
    hop: int
    highest: float

    def filters(self) -> Float[np.ndarray, "f 64"]:
        """Slaney's mel bands, each of area 1."""
        return librosa.filters.mel(
            sr=self.sample_rate, n_fft=self.n_fft, n_mels=N_MELS, fmin=50.0, fmax=self.highest
        ).T

    def log_mel(self, samples: Float[np.ndarray, " n"]) -> Float[np.ndarray, "t 64"]:
        """Decibels of mel power, n // hop + 1 frames."""
        short = (MIN_FRAMES - 1) * self.hop - len(samples)
        samples = np.pad(samples.astype(np.float64), (0, max(0, short)))
        spectrum = librosa.stft(samples, n_fft=self.n_fft, hop_length=self.hop, pad_mode="reflect")
        mel = (np.abs(spectrum) ** 2).T @ self.filters()
        return (10 * np.log10(np.maximum(mel, 1e-10))).astype(np.float32)


FRONT_ENDS = {
    each.n_fft: each
    for each in (
        FrontEnd(32000, 1024, 320, 14000.0),
        FrontEnd(16000, 512, 160, 8000.0),
        FrontEnd(8000, 256, 80, 4000.0),
    )
}
"""Length of the transform -> that of the release that has it."""


class Cnn14Embedder:
    """CNN14 (Kong et al. 2020, arXiv:1912.10211) with the weights of a file: 2048 values a clip."""

    def __init__(self, source: str | Path):
        """Reads the weights; the filters among them say which release they are of.

        Args:
          source: of `find_file`: a release (`Cnn14_mAP=0.431.pth`, `Cnn14_16k_mAP=0.438.pth`), or
            its tensors by the same names as .safetensors.

        Raises:
          ValueError: there is no such file, or it holds another network.
          OSError: it cannot be read.
        """
        path = find_file(source)
        read = read_weights(path, under="model")
        self._params: Params = take_weights(read, NAMES, "CNN14", path)
        self.front_end = _front_end(read, path)
        self._apply = jax.jit(_network)
        self.identity = Identity(
            name="PANNs CNN14",
            weights_sha256=params_sha256(self._params, self.front_end._asdict()),
            sample_rate=self.front_end.sample_rate,
            resampler=RESAMPLER,
            layer="fc1, after ReLU",
            pooling="mean and maximum of the clip's frames; under 32 it is filled up with zeros",
        )

    def embed(self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int) -> Embeddings:
        """Embeddings [b 2048] of whole clips; see `Embedder`."""
        return Embeddings(self._listen(clips, sample_rate)[0], self.identity)

    def logits(
        self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int
    ) -> Float[np.ndarray, "b c"]:
        """Logits of AudioSet's classes, before the sigmoid; see `embed`."""
        return self._listen(clips, sample_rate)[1]

    def _listen(
        self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int
    ) -> tuple[Float[np.ndarray, "b d"], Float[np.ndarray, "b c"]]:
        heard = []
        for clip in clips_at(self.front_end.sample_rate, clips, sample_rate):
            mel = self.front_end.log_mel(clip)
            frames = np.array([len(mel)], np.int32)
            padded = np.pad(mel, ((0, bucket(len(mel), _SMALLEST) - len(mel)), (0, 0)))
            heard.append(self._apply(self._params, padded[None], frames))
        embeddings, logits = zip(*heard, strict=True)
        return np.concatenate(embeddings), np.concatenate(logits)


def _front_end(read: dict[str, np.ndarray], path: Path) -> FrontEnd:
    if _FILTERS not in read:
        raise ValueError(f"{path} has no {_FILTERS}, which says what sample rate CNN14 hears")
    filters = read[_FILTERS]
    front_end = FRONT_ENDS.get(2 * (len(filters) - 1))
    if front_end is None or filters.shape != (front_end.n_fft // 2 + 1, N_MELS):
        raise ValueError(f"{path}: {_FILTERS} has shape {filters.shape}, of no release of CNN14")
    if not np.allclose(filters, front_end.filters(), atol=1e-4 * filters.max()):
        raise ValueError(f"{path}: {_FILTERS} holds other bands than CNN14 at {front_end}")
    return front_end


def _network(
    params: Params, log_mel: Float[Array, "b t f"], frames: Int[Array, " b"]
) -> tuple[Float[Array, "b d"], Float[Array, "b c"]]:
    """What stands past a clip's frames changes nothing: it is 0 before every convolution."""

    def masked(x: Float[Array, "b c t f"]) -> Float[Array, "b c t f"]:
        return jnp.where(length_mask(frames, x.shape[2])[:, None, :, None], x, 0)

    def normalised(name: str, x: Float[Array, "b c ..."], axes: tuple[int, ...]):
        scale, bias, mean, var = (jnp.expand_dims(params[f"{name}.{kind}"], axes) for kind in _NORM)
        return (x - mean) * (scale * jax.lax.rsqrt(var + 1e-5)) + bias

    x = masked(normalised("bn0", log_mel[:, None], ()))
    for block in range(1, BLOCKS + 1):
        for number in (1, 2):
            weight = params[f"conv_block{block}.conv{number}.weight"]
            x = jax.lax.conv_general_dilated(x, weight, (1, 1), "SAME", precision="highest")
            x = masked(jax.nn.relu(normalised(f"conv_block{block}.bn{number}", x, (1, 2))))
        if block < BLOCKS:
            b, c, t, f = x.shape
            x = x.reshape(b, c, t // 2, 2, f // 2, 2).mean((3, 5))
            frames = frames // 2
            x = masked(x)
    x = x.mean(axis=3)
    valid = length_mask(frames, x.shape[2])[:, None]
    peak = jnp.where(valid, x, -jnp.inf).max(axis=2)
    x = peak + x.sum(axis=2) / frames[:, None]
    layers = [
        (params[f"{name}.weight"].T, params[f"{name}.bias"]) for name in ("fc1", "fc_audioset")
    ]
    (inner, inner_bias), (outer, outer_bias) = layers
    embedding = jax.nn.relu(jnp.dot(x, inner, precision="highest") + inner_bias)
    return embedding, jnp.dot(embedding, outer, precision="highest") + outer_bias
