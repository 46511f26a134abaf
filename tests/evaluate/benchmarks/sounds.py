"""Clips of a system that is none of ours, and embedders that need no weights."""

from collections.abc import Sequence
from pathlib import Path

import librosa
import numpy as np
import soundfile

from audiogen_jax.evaluate.embedders.embedder import Embeddings, Identity
from audiogen_jax.evaluate.waveforms import RESAMPLER, resample

RATE = 16000
BANDS = 8


class MelEmbedder:
    """Mean and deviation of log-mel bands; its classes are the bands, its texts their lengths."""

    def __init__(self, name: str = "mel"):
        self.identity = Identity(name, "0" * 64, RATE, RESAMPLER, "mel", "mean and deviation")

    def embed(self, clips: Sequence[np.ndarray], sample_rate: int) -> Embeddings:
        return Embeddings(np.stack([_features(clip, sample_rate) for clip in clips]), self.identity)


class MelClassifier(MelEmbedder):
    def logits(self, clips: Sequence[np.ndarray], sample_rate: int) -> np.ndarray:
        return self.embed(clips, sample_rate).values[:, :BANDS]


class MelClap(MelEmbedder):
    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        values = [np.cos(np.arange(2 * BANDS) * len(text)) for text in texts]
        return Embeddings(np.stack(values), self.identity)


def _features(clip: np.ndarray, sample_rate: int) -> np.ndarray:
    samples = resample(clip, sample_rate, RATE)
    mel = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=512, n_mels=BANDS)
    levels = np.log(mel.astype(np.float64) + 1e-6)
    return np.concatenate([levels.mean(axis=1), levels.std(axis=1)])


def sound(seed: int, seconds: float = 0.3, rate: int = RATE) -> np.ndarray:
    """A tone in noise, in 16-bit steps."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    samples = 0.3 * np.sin(2 * np.pi * rng.uniform(200, 3000) * time)
    samples += 0.02 * rng.standard_normal(len(time))
    return np.round(samples * 2**15) / 2**15


def write_folder(folder: Path, seeds: Sequence[int], suffix: str = ".wav", **options) -> Path:
    """Clips "0", "1" ... of these seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        soundfile.write(folder / f"{number}{suffix}", sound(seed), RATE, **options)
    return folder
