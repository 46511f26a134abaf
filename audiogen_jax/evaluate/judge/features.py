"""Log-mel windows for the judge, and the augmentation that makes it robust."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from audiogen_jax.evaluate.waveforms import resample

SAMPLE_RATE = 16000
"""Hz; audio of another rate is resampled."""
HOP = SAMPLE_RATE // 100
N_MELS = 64
WINDOW = 200
"""Frames the judge sees at once: 2 seconds."""
_FLOOR = 1e-6  # 60 dB under the loudest mel value of the window
_QUIET = 10 ** (-30 / 10)  # windows that far under the loudest one of a clip have no vote


def mel_power(samples: Float[np.ndarray, " n"], sample_rate: int) -> Float[np.ndarray, "t f"]:
    """Mel power at 100 frames per second (25 ms windows, 64 bands up to 8 kHz).

    Args:
      samples: float [n].
      sample_rate: Hz.
    """
    mel = librosa.feature.melspectrogram(
        y=np.asarray(resample(samples, sample_rate, SAMPLE_RATE), np.float32),
        sr=SAMPLE_RATE,
        n_fft=512,
        win_length=400,
        hop_length=HOP,
        n_mels=N_MELS,
        fmin=40.0,
        pad_mode="constant",
    )
    return np.asarray(mel.T, np.float32)


def windows(
    power: Float[np.ndarray, "t f"],
) -> tuple[Float[np.ndarray, "b 200 f"], Float[np.ndarray, " b"]]:
    """All windows of a clip, about one per second, and how much each counts.

    A clip shorter than 2 seconds is centred in one window; of a longer one, windows 30 dB under
    the loudest count nothing, the others alike.

    Args:
      power: mel power of the clip.

    Returns:
      Windows [b 200 f] and weights [b] that sum to 1.
    """
    if len(power) <= WINDOW:
        before = (WINDOW - len(power)) // 2
        return np.pad(power, ((before, WINDOW - len(power) - before), (0, 0)))[None], np.ones(1)
    count = max(round((len(power) - WINDOW) / (WINDOW // 2)), 1) + 1
    starts = np.linspace(0, len(power) - WINDOW, count).round().astype(int)
    cut = np.stack([power[start : start + WINDOW] for start in starts])
    energy = cut.sum((1, 2))
    weights = (energy >= _QUIET * energy.max()).astype(np.float64)
    return cut, weights / weights.sum()


def random_window(
    power: Float[np.ndarray, "t f"], rng: np.random.Generator
) -> Float[np.ndarray, "200 f"]:
    """A training window: around a moment drawn by its energy, or a short clip placed at random."""
    padding = WINDOW - len(power)
    if padding >= 0:
        before = int(rng.integers(padding + 1))
        return np.pad(power, ((before, padding - before), (0, 0)))
    energy = power.sum(1) + 1e-12
    moment = int(rng.choice(len(power), p=energy / energy.sum()))
    start = int(np.clip(moment - rng.integers(WINDOW), 0, -padding))
    return power[start : start + WINDOW]


def normalise(power: Float[Array, "*b t f"]) -> Float[Array, "*b t f"]:
    """Loudness-free log-mel: 60 dB deep, then zero mean and unit variance over each window."""
    peak = power.max((-2, -1), keepdims=True)
    log_mel = jnp.log(power / jnp.maximum(peak, 1e-10) + _FLOOR)
    spread = log_mel.std((-2, -1), keepdims=True)
    return (log_mel - log_mel.mean((-2, -1), keepdims=True)) / (spread + 1e-3)


def augment(key: PRNGKeyArray, power: Float[Array, "t f"]) -> Float[Array, "t f"]:
    """One random variant of a training window as normalised log-mel.

    Speed and vocal-tract changes (time and mel axis), equaliser tilt, band limit, coloured noise at
    20 to 60 dB under the peak in half of the windows, then SpecAugment masks (Park et al. 2019,
    section 2).

    Args:
      key: of the variant.
      power: mel power of the window.
    """
    keys = jax.random.split(key, 8)
    frames, bins = power.shape

    scale = jnp.exp(jax.random.uniform(keys[0], (2,), minval=-1.0) * jnp.array([0.22, 0.08]))
    jitter = jax.random.uniform(keys[1], (2,), minval=-1.0) * jnp.array([5.0, 1.5])
    centre = jnp.array([frames, bins]) / 2
    power = jax.image.scale_and_translate(
        power, (frames, bins), (0, 1), scale, centre * (1 - scale) + jitter, "linear",
        antialias=False,
    )  # fmt: skip

    axis = jnp.linspace(-1.0, 1.0, bins)
    tilt, bump, where = jax.random.uniform(keys[2], (3,), minval=-1.0)
    power = power * jnp.exp(1.2 * tilt * axis + 1.2 * bump * jnp.cos(jnp.pi * (axis - where)))
    cutoff = jax.random.uniform(keys[3], minval=0.3, maxval=2.5)
    power = power * (axis <= cutoff)

    # Half of the windows stay clean: with noise in all of them learning never starts.
    level, colour, clean = jax.random.uniform(keys[4], (3,))
    noise = jnp.exp(0.6 * jax.random.normal(keys[5], power.shape) + 2.0 * (colour - 0.5) * axis)
    power = power + (clean > 0.5) * power.max() * 10 ** (-(2.0 + 4.0 * level)) * noise

    log_mel = normalise(power)
    for axis_key, size, widest in ((keys[6], frames, 12), (keys[7], bins, 6)):
        for mask_key in jax.random.split(axis_key):
            width, start = jax.random.uniform(mask_key, (2,)) * jnp.array([widest, size])
            position = jnp.arange(size)
            masked = (position >= start) & (position < start + width)
            masked = masked[:, None] if size == frames else masked[None, :]
            log_mel = jnp.where(masked, 0.0, log_mel)
    return log_mel
