"""A named sound taken out of a recording."""

import hashlib
import importlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, Protocol

import librosa
import numpy as np
from jaxtyping import Float, Float32

from audiogen_jax.files.audio import convert, write_audio
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.manifest import AudioRecord

WINDOW, HOP = 1024, 256
EXAMPLES = 8
"""Recordings of a sound that its spectra are learned of."""
EXAMPLE_FRAMES = 1500
ITERATIONS = 80
FREE_SPECTRA = 4
"""Of the rest; with more they explain the named sound, too."""
_EPSILON = 1e-8


class Separated(NamedTuple):
    """A recording as the sum of a named sound and the rest."""

    target: Float32[np.ndarray, "n a"]
    residual: Float32[np.ndarray, "n a"]


class Separator(Protocol):
    """Takes a named sound out of a recording."""

    def __call__(
        self, clip: AudioRecord, audio: Float32[np.ndarray, "n a"], sample_rate: int, name: str
    ) -> Separated | None:
        """The sound and the rest, which sum to the recording; None: it does not know the sound."""
        ...


class FactorizationSeparator:
    """Non-negative matrix factorisation with spectra learned of examples.

    The magnitudes of the short-time spectrum are explained by spectra of the named sound, learned
    beforehand of other recordings of it, and by free ones (semi-supervised NMF with the
    Kullback-Leibler divergence: Lee and Seung, "Algorithms for non-negative matrix factorization",
    2000; Smaragdis et al., 2007). The share of the former is the mask. It needs recordings with a
    phrase or label that is the name, and separates what has spectra of its own; voices among voices
    it does not.
    """

    def __init__(self, examples: Sequence[AudioRecord], cache: AudioCache, spectra: int = 12):
        """Takes single recordings.

        Args:
          examples: whose label and phrases are the names that it knows.
          cache: decodes them; of the rate of what is separated.
          spectra: of a sound.
        """
        self._cache, self._spectra = cache, spectra
        self._examples: dict[str, list[AudioRecord]] = {}
        for example in examples:
            for name in names_of(example):
                self._examples.setdefault(name, []).append(example)
        self._learned: dict[tuple[str, str], Float[np.ndarray, "f k"]] = {}

    def __call__(
        self, clip: AudioRecord, audio: Float32[np.ndarray, "n a"], sample_rate: int, name: str
    ) -> Separated | None:
        """See `Separator`; the recording itself is none of the examples."""
        name = name.lower()
        learned = self._spectra_of(name, clip)
        if learned is None or len(audio) < WINDOW:
            return None
        spectrum = librosa.stft(np.ascontiguousarray(audio.T), n_fft=WINDOW, hop_length=HOP)
        magnitude = np.abs(spectrum).mean(axis=0).astype(np.float64) + _EPSILON
        rng = _rng(name)
        free = rng.uniform(0.5, 1.5, (len(magnitude), FREE_SPECTRA))
        spectra, activations = factorize(
            magnitude, np.concatenate([learned, free], axis=1), rng, fixed=self._spectra
        )
        known = spectra[:, : self._spectra] @ activations[: self._spectra]
        mask = (known / (spectra @ activations)).astype(np.float32)
        target = librosa.istft(spectrum * mask, n_fft=WINDOW, hop_length=HOP, length=len(audio)).T
        target = np.ascontiguousarray(target, np.float32)
        return Separated(target, audio - target)

    def _spectra_of(self, name: str, clip: AudioRecord) -> Float[np.ndarray, "f k"] | None:
        """Of a sound; without what the recording itself says of it, where it is an example."""
        examples = self._examples.get(name, ())
        others = [example for example in examples if example.path != clip.path][:EXAMPLES]
        if not others:
            return None
        key = name, ",".join(str(example.path) for example in others)
        if key not in self._learned:
            frames = [
                np.abs(librosa.stft(self._cache.load(example.path, example.member)[:, 0],
                                    n_fft=WINDOW, hop_length=HOP))
                for example in others
            ]  # fmt: skip
            magnitude = np.concatenate(frames, axis=1)
            loud = np.argsort(-magnitude.sum(axis=0), kind="stable")[:EXAMPLE_FRAMES]
            rng = _rng(name)
            start = rng.uniform(0.5, 1.5, (len(magnitude), self._spectra))
            self._learned[key], _ = factorize(magnitude[:, loud].astype(np.float64), start, rng)
        return self._learned[key]


class EditorSeparator:
    """An editor of this package that keeps a named sound alone."""

    def __init__(self, checkpoint: str):
        """Loads what `audiogen_jax.load` takes."""
        import audiogen_jax as ag

        self._pipeline = ag.load(checkpoint)

    def __call__(
        self, clip: AudioRecord, audio: Float32[np.ndarray, "n a"], sample_rate: int, name: str
    ) -> Separated | None:
        """See `Separator`."""
        made = self._pipeline.edit("extract", audio, sample_rate, what=name, id=clip.audio_id).audio
        target = np.asarray(made, np.float32).reshape(audio.shape)
        return Separated(target, audio - target)


class SamAudioSeparator:
    """SAM-Audio (https://github.com/facebookresearch/sam-audio), where it is installed."""

    def __init__(self, checkpoint: str = "facebook/sam-audio-large"):
        """Loads a checkpoint.

        Raises:
          ValueError: the package is not installed.
        """
        package = required("sam_audio", "https://github.com/facebookresearch/sam-audio")
        self._model = package.SAMAudio.from_pretrained(checkpoint).eval()
        self._processor = package.SAMAudioProcessor.from_pretrained(checkpoint)

    def __call__(
        self, clip: AudioRecord, audio: Float32[np.ndarray, "n a"], sample_rate: int, name: str
    ) -> Separated | None:
        """See `Separator`."""
        with tempfile.TemporaryDirectory() as folder:
            path = write_audio(Path(folder) / "clip.wav", audio, sample_rate, "FLOAT")
            batch = self._processor(audios=[str(path)], descriptions=[name])
            result = self._model.separate(batch)
        made = np.asarray(result.target[0].detach().float().cpu().numpy()).reshape(-1, 1)
        rate = int(self._processor.audio_sampling_rate)
        target, _ = convert(made, rate, sample_rate, audio.shape[1], name)
        padded = np.zeros_like(audio)
        padded[: len(target)] = target[: len(audio)]
        return Separated(padded, audio - padded)


def factorize(
    magnitude: Float[np.ndarray, "f t"],
    spectra: Float[np.ndarray, "f k"],
    rng: np.random.Generator,
    fixed: int = 0,
) -> tuple[Float[np.ndarray, "f k"], Float[np.ndarray, "k t"]]:
    """Non-negative factors of a magnitude spectrum, by the rules of Lee and Seung.

    Args:
      magnitude: what is explained.
      spectra: where they start.
      rng: draws where activations start.
      fixed: of the spectra, those at the beginning that stay as they are.

    Returns:
      Spectra that sum to 1, and activations.
    """
    spectra = spectra / spectra.sum(axis=0)
    activations = rng.uniform(0.5, 1.5, (spectra.shape[1], magnitude.shape[1]))
    activations *= magnitude.sum() / (spectra @ activations).sum()
    for _ in range(ITERATIONS):
        ratio = magnitude / (spectra @ activations + _EPSILON)
        activations *= spectra.T @ ratio
        ratio = magnitude / (spectra @ activations + _EPSILON)
        free = slice(fixed, None)
        change = (ratio @ activations[free].T) / (activations[free].sum(axis=1) + _EPSILON)
        spectra[:, free] *= change
        scale = spectra.sum(axis=0) + _EPSILON
        spectra, activations = spectra / scale, activations * scale[:, None]
    return spectra, activations


def names_of(clip: AudioRecord) -> set[str]:
    """What a single recording may be called."""
    views: Mapping[str, Sequence[str]] = clip.views
    phrases = {text for view in ("sfx", "env", "music") for text in views.get(view, ())}
    label = {clip.label.replace("_", " ")} if clip.label else set()
    return {phrase.lower().strip(" .") for phrase in phrases | label}


def required(package: str, source: str) -> ModuleType:
    """An installed package that an adapter needs.

    Raises:
      ValueError: it is not installed; says where it comes from.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ValueError(
            f"the package {package!r} is not installed ({error}): get it from {source}, or take "
            "the default of this stage"
        ) from error


def _rng(name: str) -> np.random.Generator:
    """The same start for a name wherever it is met."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]))
