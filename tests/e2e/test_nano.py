"""The embedded model, as a user meets it."""

import json

import numpy as np
import pytest
import soundfile

import audiogen_jax as ag
from audiogen_jax.checkpoints.locate import NANO
from audiogen_jax.cli import main

SCENE = ag.StructuredCaption(
    caption="A man counts numbers in a room while birds sing outside.",
    speech="A man speaks clearly.",
    asr="one two three",
    sfx="Birds chirp.",
    env="A quiet room by a garden.",
)


@pytest.fixture(scope="module")
def pipeline():
    return ag.load("nano")


def test_it_is_complete():
    for name in ("config.json", "model.safetensors", "tokenizer.json", "MODEL_CARD.md"):
        assert (NANO / name).is_file()
    config = json.loads((NANO / "config.json").read_text())
    for part in ("text_encoder_name", "tokenizer_name"):
        assert (NANO / config[part] / "model.safetensors").is_file()


def test_scene_at_the_predicted_duration(pipeline):
    (clip,) = pipeline.generate(SCENE, seed=0)
    seconds = len(clip.audio) / clip.sample_rate
    assert 0.5 < seconds < 15
    loudness = 20 * np.log10(np.sqrt(np.mean(np.square(clip.audio))))
    assert -50 < loudness < -6
    # Sound has a coloured spectrum; the noise that sampling starts from is flat.
    power = np.abs(np.fft.rfft(clip.audio)) ** 2
    flatness = np.exp(np.mean(np.log(power + 1e-12))) / np.mean(power)
    assert flatness < 0.25


def test_takes_differ_and_repeat(pipeline):
    options = {"seed": 4, "duration": 2.0, "steps": 8}
    first, second, again = (
        pipeline.generate(SCENE, ids=[take], **options)[0].audio for take in ("0", "1", "0")
    )
    assert first.shape == second.shape == (32000,)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.5
    np.testing.assert_array_equal(again, first)


def test_the_caption_matters(pipeline):
    options = {"seed": 0, "duration": 2.0, "steps": 8, "ids": ["same"]}
    sounds = [
        pipeline.generate(ag.compose(caption=text, **{view: text}), **options)[0].audio
        for view, text in (("sfx", "A dog barks."), ("music", "A slow piano piece."))
    ]
    assert abs(np.corrcoef(*sounds)[0, 1]) < 0.9


def test_the_command_line_defaults(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as info:
        main(["generate", SCENE.format(), "--plot"])
    assert not info.value.code, capfd.readouterr().err
    assert soundfile.info("audiogen.wav").samplerate == 16000
    assert (tmp_path / "audiogen.png").is_file()

    for command in (["reconstruct", "audiogen.wav"], ["encode", "audiogen.wav"]):
        with pytest.raises(SystemExit) as info:
            main(command)
        assert not info.value.code, capfd.readouterr().err
    original, _ = soundfile.read("audiogen.wav")
    rebuilt, _ = soundfile.read("audiogen_reconstructed.wav")
    assert len(original) == pytest.approx(len(rebuilt), abs=640)
