"""How much of held-out recordings the tokenizer keeps, beside Griffin-Lim at the same budget."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.metrics.intelligibility import pesq_wb, stoi
from audiogen_jax.evaluate.metrics.mel_distance import mel_distance
from audiogen_jax.evaluate.metrics.si_sdr import si_sdr
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suites.griffin_lim import griffin_lim
from audiogen_jax.infer.codec import MIN_SAMPLES, Codec

GROUPS = ("speech", "music", "sound")
Samples = Float[np.ndarray, " n"]
Rebuild = Callable[[Samples], Samples]


@dataclasses.dataclass(frozen=True)
class Score:
    """Mean of a metric over the clips it is defined for.

    Attributes:
      mean: None if it is defined for no clip.
      std: standard deviation over the clips.
      clips: how many.
    """

    mean: float | None
    std: float | None
    clips: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Score":
        """Leaves None out."""
        known = [value for value in values if value is not None]
        if not known:
            return cls(None, None, 0)
        return cls(float(np.mean(known)), float(np.std(known)), len(known))


def group(recording: Recording) -> str:
    """ "speech", "music" or "sound", by what sounds first in its category."""
    category = recording.category or ""
    if "S" in category or "asr" in recording.views:
        return "speech"
    return "music" if "M" in category else "sound"


def choose(recordings: Sequence[Recording], per_group: int, seed: int) -> list[Recording]:
    """At most `per_group` held-out clips of each group, drawn by `seed`, in manifest order."""
    rng = np.random.default_rng(seed)
    chosen: list[Recording] = []
    for name in GROUPS:
        clips = [
            clip
            for clip in recordings
            if clip.split == "val" and group(clip) == name and len(clip.samples) >= MIN_SAMPLES
        ]
        keep = sorted(rng.permutation(len(clips))[:per_group])
        chosen.extend(clips[index] for index in keep)
    return chosen


def rebuilt_by(tokenizer: Codec) -> Rebuild:
    """Encoding and decoding as one function; what the last partial frame held comes out silent."""

    def rebuild(samples: Samples) -> Samples:
        latents = tokenizer.encode(samples[None])
        audio = tokenizer.decode_each(latents, np.array([latents.shape[1]]))[0]
        audio = audio[: min(latents.shape[1] * tokenizer.samples_per_latent, len(samples))]
        return np.pad(audio, (0, len(samples) - len(audio)))

    return rebuild


def evaluate_reconstruction(
    recordings: Sequence[Recording], tokenizer: Codec
) -> dict[str, dict[str, dict[str, Score]]]:
    """Scores the tokenizer and the baseline on the same clips.

    Args:
      recordings: held-out clips of at least 513 samples.
      tokenizer: what is measured.

    Returns:
      system -> group -> metric -> score. Systems: "tokenizer" and "griffin_lim" (as many mel
      values per second). Metrics: mel distance and SI-SDR, for speech also STOI and PESQ-wb.
    """
    systems: Mapping[str, Rebuild] = {
        "tokenizer": rebuilt_by(tokenizer),
        "griffin_lim": lambda samples: griffin_lim(samples, tokenizer.config),
    }
    return {
        system: {
            name: _scores([clip for clip in recordings if group(clip) == name], rebuild, name)
            for name in GROUPS
            if any(group(clip) == name for clip in recordings)
        }
        for system, rebuild in systems.items()
    }


def _scores(clips: Sequence[Recording], rebuild: Rebuild, name: str) -> dict[str, Score]:
    pairs = [(clip.samples, rebuild(clip.samples)) for clip in clips]
    metrics = {"mel_distance": mel_distance, "si_sdr_db": si_sdr}
    if name == "speech":
        metrics |= {"stoi": stoi, "pesq_wb": pesq_wb}
    return {
        metric: Score.of(measure(reference, estimate) for reference, estimate in pairs)
        for metric, measure in metrics.items()
    }
