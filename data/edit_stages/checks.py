"""Which separated sounds are kept: those that are heard, and that are what they are called."""

import math
from typing import Protocol

import numpy as np
from jaxtyping import Float32

from audiogen_jax.files.audio import convert
from data.edit_stages.separation import Separated, required

QUIETEST_DBFS = -40.0
TARGET_ABOVE, RESIDUAL_BELOW = 0.3, 0.0
"""Similarities of AudioEdit (arXiv:2604.10708)."""
_CLAP_RATE = 48000


class Match(Protocol):
    """Says how well audio matches a text."""

    @property
    def name(self) -> str:
        """Of what judges, for the job's description."""
        ...

    def __call__(
        self, audio: Float32[np.ndarray, "n a"], sample_rate: int, text: str
    ) -> float | None:
        """A similarity in [-1, 1]; None: nothing is said, and all is kept."""
        ...


class NoMatch:
    """The default: keeps all, and says so in `job.json`."""

    name = "none: no model of text and audio was given, all separated sounds are kept"

    def __call__(
        self, audio: Float32[np.ndarray, "n a"], sample_rate: int, text: str
    ) -> float | None:
        """Nothing is said."""
        return None


class ClapMatch:
    """CLAP (https://github.com/LAION-AI/CLAP), where `laion_clap` is installed."""

    def __init__(self, checkpoint: str | None = None):
        """Loads a checkpoint of it, by default the one that the package fetches.

        Raises:
          ValueError: the package is not installed.
        """
        package = required("laion_clap", "https://github.com/LAION-AI/CLAP")
        self.name = f"laion_clap {checkpoint or 'default'}"
        self._model = package.CLAP_Module(enable_fusion=False)
        self._model.load_ckpt(*([checkpoint] if checkpoint else []))

    def __call__(
        self, audio: Float32[np.ndarray, "n a"], sample_rate: int, text: str
    ) -> float | None:
        """The cosine of the two embeddings."""
        mono, _ = convert(audio, sample_rate, _CLAP_RATE, 1)
        heard = self._model.get_audio_embedding_from_data(mono.T, use_tensor=False)[0]
        # The package reads two texts or more: one alone loses its axis.
        meant = self._model.get_text_embedding([text, text], use_tensor=False)[0]
        return float(heard @ meant / (np.linalg.norm(heard) * np.linalg.norm(meant)))


def why_quiet(separated: Separated, quietest: float = QUIETEST_DBFS) -> str | None:
    """Why a separated sound or what is left is as good as silent; None: it is not."""
    for what, clip in zip(("the sound", "the rest"), separated, strict=True):
        power = float(np.square(clip, dtype=np.float64).mean())
        level = 10 * math.log10(power) if power > 0 else -math.inf
        if level < quietest:
            return f"{what} has {level:.1f} dBFS, below {quietest:g}"
    return None


def why_no_match(separated: Separated, sample_rate: int, name: str, match: Match) -> str | None:
    """Why a separated sound is not what it is called, or the rest still is; None: all is well."""
    heard = match(separated.target, sample_rate, name)
    if heard is not None and heard <= TARGET_ABOVE:
        return f"the sound matches {name!r} by {heard:.2f}, at most {TARGET_ABOVE:g}"
    left = match(separated.residual, sample_rate, name)
    if left is not None and left >= RESIDUAL_BELOW:
        return f"the rest matches {name!r} by {left:.2f}, at least {RESIDUAL_BELOW:g}"
    return None
