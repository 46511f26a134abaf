"""Clips of single voices and sounds by judges that nobody here trained, beside the repository's."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.embedders.voice import VoiceEmbedder
from audiogen_jax.evaluate.judge.tasks import Task
from audiogen_jax.evaluate.metrics.shares import share_of
from audiogen_jax.evaluate.recognisers.speech_activity import THRESHOLD, SpeechActivity
from audiogen_jax.evaluate.recognisers.speech_quality import SpeechRatings
from audiogen_jax.evaluate.recognisers.spoken_words import SpokenWords, UnknownWordsError
from audiogen_jax.evaluate.recognisers.wheel_weights import NotInstalledError
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suites.reconstruction import Score

Samples = Float[np.ndarray, " n"]
Sources = Mapping[str, tuple[Sequence[Samples], Sequence[str]]]
"""Source -> its clips, and the class that should be heard in each."""
VOICES = ("digits", "words")
RATED = 12
"""Clips of each source that DNSMOS rates, evenly of all: three seconds of a core each."""


def judged_by_others(
    task: Task, sources: Sources, recordings: Sequence[Recording], sample_rate: int
) -> tuple[dict[str, dict], list[str]]:
    """What third parties hear in clips of one task.

    Args:
      task: digits, words or sounds.
      sources: "generated", and "real_held_out" with "real_held_out_rebuilt" of the same clips if
        there are any.
      recordings: real clips, training and held-out.
      sample_rate: of all clips, Hz.

    Returns:
      Judge -> source -> what it says; and why judges are missing: they are not installed, or
      do not know a word.
      "PocketSphinx": share of clips whose word it hears, and chance. "Silero VAD": share of clips
      in which somebody speaks; of sounds as many as of real ones. Of voices "DNSMOS": overall
      rating from 1 to 5; "voices": cosine between a clip and the speaker of training clips who is
      nearest to it, between real clips and themselves rebuilt, and between different speakers,
      the floor.
    """
    judges: dict[str, Callable[[], dict[str, object]]] = {
        "Silero VAD": lambda: _speaking(sources, sample_rate)
    }
    if task.name in VOICES:
        judges["PocketSphinx"] = lambda: _words(task, sources, sample_rate)
        judges["DNSMOS"] = lambda: _ratings(sources, sample_rate)
        judges["voices"] = lambda: _voices(task, sources, recordings, sample_rate)
    heard, missing = {}, []
    for name, judge in judges.items():
        try:
            heard[name] = judge()
        except (NotInstalledError, UnknownWordsError) as error:
            missing.append(f"{name}: {error}")
    return heard, missing


def _words(task: Task, sources: Sources, sample_rate: int) -> dict[str, object]:
    recogniser = SpokenWords(task.classes)
    shares: dict[str, object] = {}
    for source, (clips, expected) in sources.items():
        answers = recogniser.answers(clips, sample_rate)
        hits = sum(a == b for a, b in zip(answers, expected, strict=True))
        shares[source] = share_of(hits, len(clips))
    return {**shares, "chance": 1 / len(task.classes)}


def _speaking(sources: Sources, sample_rate: int) -> dict[str, object]:
    activity = SpeechActivity()
    speaking = {
        source: [
            activity.probabilities(clip, sample_rate).max(initial=0.0) >= THRESHOLD
            for clip in clips
        ]
        for source, (clips, _) in sources.items()
    }
    return {source: share_of(int(sum(hits)), len(hits)) for source, hits in speaking.items()}


def _ratings(sources: Sources, sample_rate: int) -> dict[str, object]:
    ratings = SpeechRatings()
    scores: dict[str, object] = {}
    for source, (clips, _) in sources.items():
        rows = np.unique(np.linspace(0, len(clips) - 1, RATED).round().astype(int))
        heard = ratings.rate(_within([clips[row] for row in rows]), sample_rate)
        scores[source] = Score.of(rating.overall for rating in heard)
    return scores


def _within(clips: Sequence[Samples]) -> list[Samples]:
    """Clips whose loudest sample is in [-1, 1], as the network heard them in training."""
    return [clip / max(1.0, float(np.abs(clip).max(initial=0.0))) for clip in clips]


def _voices(
    task: Task, sources: Sources, recordings: Sequence[Recording], sample_rate: int
) -> dict[str, object]:
    embedder = VoiceEmbedder()
    training = [clip for clip in recordings if clip.split == "train" and clip.speaker]
    training = [clip for clip in training if task.answer(clip) is not None]
    if not training:
        return {}
    values = embedder.embed([clip.samples for clip in training], sample_rate).values
    names = [clip.speaker for clip in training]
    speakers = np.stack(
        [
            values[[name == speaker for name in names]].mean(axis=0)
            for speaker in dict.fromkeys(names)
        ]
    )
    speakers /= np.linalg.norm(speakers, axis=1, keepdims=True)
    embedded = {
        source: embedder.embed(clips, sample_rate).values for source, (clips, _) in sources.items()
    }
    result: dict[str, object] = {
        source: Score.of((rows @ speakers.T).max(axis=1).tolist())
        for source, rows in embedded.items()
    }
    if "real_held_out_rebuilt" in embedded:
        pairs = embedded["real_held_out"] * embedded["real_held_out_rebuilt"]
        result["rebuilt_to_itself"] = Score.of(pairs.sum(axis=1).tolist())
    apart = (speakers @ speakers.T)[np.triu_indices(len(speakers), 1)]
    return {**result, "different_speakers": Score.of(apart.tolist())}
