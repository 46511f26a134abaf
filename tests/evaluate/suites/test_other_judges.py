"""Other judges beside the repository's: each source by each, and those that are not there."""

import dataclasses

import numpy as np
import pytest

from audiogen_jax.evaluate.embedders.embedder import Embeddings
from audiogen_jax.evaluate.judge.tasks import SOUNDS, Task
from audiogen_jax.evaluate.recognisers.wheel_weights import NotInstalledError
from audiogen_jax.evaluate.suites import other_judges
from audiogen_jax.evaluate.suites.other_judges import RATED, judged_by_others
from tests.evaluate.embedded import IDENTITY
from tests.evaluate.melodies import RATE, RECORDINGS

DIGITS = Task("digits", ("zero", "one"))


class Ears:
    """A clip is a word, a voice and a rating; its first sample says which."""

    def __init__(self, words=()):
        self.words = words

    def answers(self, clips, sample_rate):
        return [self.words[int(clip[0])] for clip in clips]

    def probabilities(self, samples, sample_rate):
        return np.array([0.0, samples[0]])

    def rate(self, clips, sample_rate):
        self.rated = len(clips)
        return [dataclasses.make_dataclass("Rating", ["overall"])(1.0 + clip[0]) for clip in clips]

    def embed(self, clips, sample_rate):
        angle = np.array([np.pi / 2 * (clip[0] if len(clip) < 9 else 0.5) for clip in clips])
        return Embeddings(np.stack([np.cos(angle), np.sin(angle)], axis=1), IDENTITY)


@pytest.fixture
def ears(monkeypatch):
    for name in ("SpokenWords", "SpeechActivity", "SpeechRatings", "VoiceEmbedder"):
        monkeypatch.setattr(other_judges, name, Ears)


def clips(*firsts: float) -> list[np.ndarray]:
    return [np.array([first, 0.0]) for first in firsts]


def test_each_source_by_each_judge(ears):
    real = (clips(0, 1), ["zero", "one"])
    sources = {
        "generated": (clips(0, 0, 1, 1), ["zero", "one", "one", "zero"]),
        "real_held_out": real,
        "real_held_out_rebuilt": real,
    }
    train = [dataclasses.replace(clip, split="train", speaker="s") for clip in RECORDINGS[:3]]
    heard, missing = judged_by_others(DIGITS, sources, train, RATE)
    assert missing == [] and set(heard) == {"PocketSphinx", "Silero VAD", "DNSMOS", "voices"}
    assert heard["PocketSphinx"]["generated"].share == heard["PocketSphinx"]["chance"] == 0.5
    assert heard["PocketSphinx"]["real_held_out_rebuilt"].share == 1.0
    assert heard["Silero VAD"]["generated"].share == 0.5
    assert heard["DNSMOS"]["real_held_out"].mean == 1.5
    assert heard["voices"]["generated"].mean == pytest.approx(np.sqrt(0.5))
    assert heard["voices"]["rebuilt_to_itself"].mean == pytest.approx(1.0)
    assert heard["voices"]["different_speakers"].clips == 0
    many = {"generated": (clips(*[0] * 50), ["zero"] * 50)}
    assert judged_by_others(DIGITS, many, [], RATE)[0]["DNSMOS"]["generated"].clips == RATED


def test_sounds_are_no_voices(ears):
    heard, _ = judged_by_others(
        Task("sounds", SOUNDS), {"generated": (clips(0, 1, 0, 0), ["dog"] * 4)}, [], RATE
    )
    assert list(heard) == ["Silero VAD"] and heard["Silero VAD"]["generated"].share == 0.25


def test_judges_that_are_not_there(ears, monkeypatch):
    def absent():
        raise NotInstalledError("pip install it")

    monkeypatch.setattr(other_judges, "SpeechRatings", absent)
    heard, missing = judged_by_others(DIGITS, {"generated": (clips(0), ["zero"])}, [], RATE)
    assert missing == ["DNSMOS: pip install it"] and "DNSMOS" not in heard
    assert heard["voices"] == {}
