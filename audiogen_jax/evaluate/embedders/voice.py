"""Who speaks: embeddings of voices by a network that nobody here trained."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import librosa
import numpy as np
from jaxtyping import Array, Float

from audiogen_jax.checkpoints.parameter_hash import params_sha256
from audiogen_jax.checkpoints.torch_stream import read_torch_stream
from audiogen_jax.evaluate.embedders.embedder import Embeddings, Identity
from audiogen_jax.evaluate.recognisers.wheel_weights import weights_in_wheel
from audiogen_jax.evaluate.waveforms import RESAMPLER, clips_at
from audiogen_jax.types import Params

SAMPLE_RATE = 16000
N_MELS = 40
HOP = 160
WINDOW = 160
"""Mel frames that the network hears at once: 1.6 s; shorter clips are repeated."""
STEP = 77
"""Mel frames from one window of a clip to the next."""
COVERED = 0.75
"""Of the last window, how much must be there for it to count."""
LAYERS = 3
RMS = 10 ** (-30 / 20)
"""Quieter clips are raised to this level."""
INSTALL = "pip install --no-deps resemblyzer"
"""Without its dependencies: its own code runs in torch, the weights do not need it."""
_CHUNK = 32


class VoiceEmbedder:
    """GE2E speaker embeddings (Wan et al. 2018), three LSTM layers with the weights of the wheel
    `resemblyzer` (Apache 2.0); an `Embedder` whose vectors have length 1.

    Raises:
      NotInstalledError: the wheel is not installed.
      ValueError: its file cannot be read.
    """

    def __init__(self):
        path = weights_in_wheel("resemblyzer", "pretrained.pt", INSTALL)
        read = read_torch_stream(path, "model_state")
        self._params: Params = {
            name: value for name, value in read.items() if name.startswith(("lstm.", "linear."))
        }
        self._apply = jax.jit(_embed)
        self.identity = Identity(
            name="resemblyzer GE2E",
            weights_sha256=params_sha256(self._params),
            sample_rate=SAMPLE_RATE,
            resampler=RESAMPLER,
            layer="embedding",
            pooling="mean of 1.6 s windows, of length 1",
        )

    def embed(self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int) -> Embeddings:
        """Embeddings [b 256] of mono clips, whose pauses are not cut out; see `Embedder`."""
        cuts = [_windows(clip) for clip in clips_at(SAMPLE_RATE, clips, sample_rate)]
        stacked = np.concatenate(cuts)
        heard = []
        for start in range(0, len(stacked), _CHUNK):
            chunk = stacked[start : start + _CHUNK]
            padded = np.pad(chunk, ((0, _CHUNK - len(chunk)), (0, 0), (0, 0)))
            heard.append(np.asarray(self._apply(self._params, padded))[: len(chunk)])
        ends = np.cumsum([len(cut) for cut in cuts])[:-1]
        means = np.stack([rows.mean(axis=0) for rows in np.split(np.concatenate(heard), ends)])
        return Embeddings(means / np.linalg.norm(means, axis=1, keepdims=True), self.identity)


def _windows(samples: Float[np.ndarray, " n"]) -> Float[np.ndarray, "w t f"]:
    """Mel power in windows (25 ms frames, 10 ms apart, 40 bands)."""
    samples = samples * max(1.0, RMS / max(float(np.sqrt(np.mean(samples**2))), 1e-9))
    if len(samples) < WINDOW * HOP:
        samples = np.resize(samples, WINDOW * HOP)
    frames = -(-(len(samples) + 1) // HOP)
    starts = list(range(0, max(1, frames - WINDOW + STEP + 1), STEP))
    if len(starts) > 1 and len(samples) - starts[-1] * HOP < COVERED * WINDOW * HOP:
        starts.pop()
    samples = np.pad(samples, (0, max(0, (starts[-1] + WINDOW) * HOP - len(samples))))
    mel = librosa.feature.melspectrogram(
        y=samples, sr=SAMPLE_RATE, n_fft=400, hop_length=HOP, n_mels=N_MELS
    ).T
    return np.stack([mel[start : start + WINDOW] for start in starts])


def _embed(params: Params, mel: Float[Array, "b t f"]) -> Float[Array, "b d"]:
    x = mel
    for layer in range(LAYERS):
        x = _lstm(params, layer, x)
    x = jax.nn.relu(x[:, -1] @ params["linear.weight"].T + params["linear.bias"])
    return x / jnp.linalg.norm(x, axis=1, keepdims=True)


def _lstm(params: Params, layer: int, x: Float[Array, "b t d"]) -> Float[Array, "b t h"]:
    """One layer; gates in the order of torch: input, forget, cell, output."""
    inside, across = (params[f"lstm.weight_{kind}_l{layer}"] for kind in ("ih", "hh"))
    bias = params[f"lstm.bias_ih_l{layer}"] + params[f"lstm.bias_hh_l{layer}"]
    driven = x @ inside.T + bias

    def step(state, drive):
        hidden, cell = state
        i, f, g, o = jnp.split(drive + hidden @ across.T, 4, axis=-1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
        return (hidden, cell), hidden

    nothing = jnp.zeros((len(x), across.shape[1]))
    _, hidden = jax.lax.scan(step, (nothing, nothing), driven.swapaxes(0, 1))
    return hidden.swapaxes(0, 1)
