"""The best of several takes, and who chooses them."""

import importlib.util

import numpy as np
import pytest

from audiogen_jax.evaluate import takes
from audiogen_jax.evaluate.takes import SCORERS, best_takes
from audiogen_jax.files.audio import read_audio
from audiogen_jax.infer.requests import Clip
from tests.input.conftest import CLIPS
from tests.structure import PACKAGE, imported, reaches

RATE = 16000
RNG = np.random.default_rng(0)


def clip(name: str, audio: np.ndarray) -> Clip:
    return Clip(audio.astype(np.float32), RATE, name, "rain", 0)


def test_a_clip_that_is_cut_off_is_not_chosen():
    clean = 0.3 * RNG.standard_normal((RATE, 2))
    clips = [clip("a", 0.01 * clean.clip(-0.4, 0.4)), clip("b", clean), clip("c", 2 * clean)]
    assert [each.id for each in best_takes(clips, 2, "unclipped")] == ["b", "c"]
    scores = SCORERS["unclipped"](clips)
    assert scores[0] < -0.01 and scores[1] == scores[2] == 0


@pytest.mark.parametrize("by", ["speech", "speech-quality"])
def test_one_that_speaks_is_chosen(by: str):
    if by == "speech" and not importlib.util.find_spec("silero_vad"):
        pytest.skip("silero-vad has no extra")
    sentence = read_audio(CLIPS / "speech" / "ljspeech" / "LJ001-0002.flac", RATE).samples[:, 0]
    sentence = np.resize(sentence, 36800)  # repeated to 9.2 s, DNSMOS hears one window
    noise = 0.1 * RNG.standard_normal(len(sentence))
    clips = [clip("noise", noise), clip("speech", 3 * sentence)]
    assert [each.id for each in best_takes(clips, 1, by)] == ["speech"]


def test_who_evaluates_does_not_choose():
    names = imported(PACKAGE / "evaluate" / "takes.py")
    for module in ("judge", "suites", "registry", "embedders", "metrics"):
        assert not reaches(names, f"audiogen_jax.evaluate.{module}")
    assert takes.__doc__ and "never judges the model" in takes.__doc__


def test_what_cannot_be_chosen_is_said():
    clips = [clip("a", RNG.standard_normal(99))]
    with pytest.raises(ValueError, match="by='judge': expected one of"):
        best_takes(clips, 1, "judge")
    with pytest.raises(ValueError, match="keep=2 of 1 takes"):
        best_takes(clips, 2, "unclipped")
    for audio, message in ((np.zeros(99), "silent"), (np.full(9, np.nan), "NaN"), ([], "n > 0")):
        with pytest.raises(ValueError, match=f"take 2 of 2: .*{message}"):
            best_takes([*clips, clip("b", np.asarray(audio))], 1, "unclipped")


def test_a_silent_channel_is_not_cut_off():
    noise = RNG.standard_normal(99)
    assert SCORERS["unclipped"]([clip("a", np.stack([noise, 0 * noise], axis=1))]) == [0.0]
