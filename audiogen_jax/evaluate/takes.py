"""The best of several takes of a prompt, by somebody who never judges the model.

What evaluates a generator (`evaluate.judge`, the suites) must not choose its clips: figures would
say how often it was asked. So scorers here are of others, or count what is audibly broken; figures
of a scorer itself mean nothing on the takes that it chose.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.recognisers.speech_activity import SpeechActivity
from audiogen_jax.evaluate.recognisers.speech_quality import SpeechRatings
from audiogen_jax.evaluate.waveforms import to_mono
from audiogen_jax.files.audio import check_audible
from audiogen_jax.infer.requests import Clip

Scorer = Callable[[Sequence[Clip]], list[float]]
"""Clips -> how good each is, higher is better."""
_FLAT = 3
"""Samples in a row at one extreme from which on a waveform counts as cut off."""


def best_takes(clips: Sequence[Clip], keep: int, by: str) -> list[Clip]:
    """The best of some clips, the best first; of equals the earlier.

    Args:
      clips: takes of a prompt.
      keep: of them.
      by: a name of `SCORERS`.

    Raises:
      ValueError: no such name, more to keep than there are, a take that is silent or not finite, or
        what it needs is not installed.
    """
    if by not in SCORERS:
        raise ValueError(f"by={by!r}: expected one of {sorted(SCORERS)}")
    if not 1 <= keep <= len(clips):
        raise ValueError(f"keep={keep} of {len(clips)} takes: expected 1 to {len(clips)}")
    for number, clip in enumerate(clips, 1):
        check_audible(clip.audio, f"take {number} of {len(clips)}")
    scores = SCORERS[by](clips)
    order = sorted(range(len(clips)), key=lambda row: -scores[row])
    return [clips[row] for row in order[:keep]]


def speech_quality(clips: Sequence[Clip]) -> list[float]:
    """Overall quality as DNSMOS P.835 predicts it, 1 to 5; for speech."""
    ratings = SpeechRatings()
    return [ratings.rate([_unit(clip)], clip.sample_rate)[0].overall for clip in clips]


def speech_share(clips: Sequence[Clip]) -> list[float]:
    """Mean probability of speech (Silero VAD), 0 to 1; for prompts with words."""
    activity = SpeechActivity()
    return [float(activity.probabilities(_unit(clip), clip.sample_rate).mean()) for clip in clips]


def unclipped(clips: Sequence[Clip]) -> list[float]:
    """Minus the share of samples that are cut off flat at a clip's own extremes, whatever its
    level."""
    return [-_flat_share(clip.audio) for clip in clips]


SCORERS: dict[str, Scorer] = {
    "speech-quality": speech_quality,
    "speech": speech_share,
    "unclipped": unclipped,
}


def _flat_share(audio: Float[np.ndarray, "n ..."]) -> float:
    columns = audio if audio.ndim == 2 else audio[:, None]
    highest = np.abs(columns).max(axis=0)
    extreme = (np.abs(columns) >= 0.999 * highest) & (highest > 0)
    whole = np.pad(extreme, ((1, 1), (0, 0)))
    count = 0
    for column in whole.T:
        starts, ends = np.flatnonzero(np.diff(column.astype(np.int8))).reshape(-1, 2).T
        lengths = ends - starts
        count += int(lengths[lengths >= _FLAT].sum())
    return count / columns.size


def _unit(clip: Clip) -> Float[np.ndarray, " n"]:
    """Mono within [-1, 1], as recognisers hear it."""
    mono = to_mono(clip.audio)
    return mono / max(1.0, float(np.abs(mono).max()))
