"""Questions about sound, pictures and videos: from files to an answer, on the command line too."""

import dataclasses
import types

import jax
import numpy as np
import pytest
import soundfile
from PIL import Image

import audiogen_jax as ag
from audiogen_jax.cli import main
from audiogen_jax.infer.media import read_any, read_film, read_recording
from audiogen_jax.infer.understand import Question, Understanding
from audiogen_jax.models.language_model import Decoding, Film, LanguageModel, Recording
from audiogen_jax.models.omni.thinker.thinker import Thinker
from audiogen_jax.models.quirks import NO_QUIRKS, Quirks
from tests.films import write_video
from tests.tiny_thinker import CONFIG, write_checkpoint

FEW = Decoding(max_tokens=4)
MODEL = Thinker(CONFIG)
RATES = (12, 24, 30000 / 1001, 30, 60)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("thinker"))


@pytest.fixture(scope="module")
def understanding(checkpoint):
    return Understanding.load(checkpoint, param_dtype="float32")


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """Sound at another rate, and videos with and without it."""
    folder = tmp_path_factory.mktemp("media")
    rng = np.random.default_rng(0)
    soundfile.write(folder / "noise.wav", 0.1 * rng.standard_normal((132300, 2)), 44100)
    write_video(folder / "loud.mp4", np.arange(30) / 10, sound=3.0)
    write_video(folder / "silent.mp4", np.arange(30) / 10)
    Image.fromarray(rng.integers(0, 255, (30, 40, 3), np.uint8)).save(folder / "picture.png")
    return folder


def test_it_keeps_the_protocol():
    assert isinstance(MODEL, LanguageModel)


def test_an_answer_about_sound(understanding, media):
    with pytest.warns(UserWarning, match="1 of 1 answers are cut at max_tokens=4"):
        answer = understanding.understand("What is heard?", media / "noise.wav", max_tokens=4)
    assert answer == understanding.understand("What is heard?", [media / "noise.wav"], max_tokens=4)
    samples, rate = soundfile.read(media / "noise.wav", dtype="float32")
    clip = types.SimpleNamespace(audio=samples, sample_rate=rate)
    assert answer == understanding.understand("What is heard?", clip, max_tokens=4)


def test_what_is_heard_reaches_the_question(understanding, media):
    sound = read_recording(media / "noise.wav", MODEL)
    states = jax.jit(MODEL.hidden_states)
    last = []
    for samples in (sound.samples, 0 * sound.samples):
        prompt = MODEL.prompt(understanding._loaded.reader, "What?", [Recording(samples)])
        last.append(states(understanding._params, MODEL.inputs([prompt])).states[0, -1])
    assert np.abs(last[0] - last[1]).max() > 1e-2


def test_a_batch_is_its_questions_one_at_a_time(understanding, media):
    sound = read_recording(media / "noise.wav", MODEL)
    questions = [Question("What is heard?", (sound,)), Question("Is it a dog?", (sound, sound))]
    together = understanding.answer(questions, FEW)
    assert together == [understanding.answer([each], FEW)[0] for each in questions]
    drawn = dataclasses.replace(FEW, temperature=1.0)
    once, again = (understanding.answer(questions, drawn, seed=3) for _ in range(2))
    assert once == again != understanding.answer(questions, drawn, seed=4)


def test_a_video_is_heard_and_seen(understanding, media):
    asked = {
        name: understanding.understand("What happens?", video=media / f"{name}.mp4", max_tokens=4)
        for name in ("loud", "silent")
    }
    assert all(isinstance(answer, str) for answer in asked.values())
    loud, silent = (read_film(media / f"{n}.mp4", MODEL, NO_QUIRKS) for n in ("loud", "silent"))
    assert loud.sound is not None and silent.sound is None
    ids = [MODEL.inputs([[MODEL.pictures(film)]]).ids[0] for film in (loud, silent)]
    assert CONFIG.audio_token_index in ids[0] and CONFIG.audio_token_index not in ids[1]
    np.testing.assert_array_equal(ids[0][ids[0] == CONFIG.video_token_index],
                                  ids[1][ids[1] == CONFIG.video_token_index])  # fmt: skip


@pytest.mark.parametrize("rate", RATES)
def test_two_frames_a_second_of_any_rate(tmp_path, rate):
    path = write_video(tmp_path / "a.mp4", np.arange(round(3 * rate)) / rate)
    film = read_film(path, MODEL, NO_QUIRKS)
    assert len(film.frames) == 6 and film.interval == pytest.approx(0.5, rel=0.02)
    released = read_film(path, MODEL, Quirks.of("release"))
    assert released.interval == 0.5


@pytest.mark.parametrize(("seconds", "frames"), [(0.2, 2), (3, 6), (25, 50)])
def test_short_and_long_videos(tmp_path, seconds, frames):
    path = write_video(tmp_path / "a.mp4", np.arange(round(10 * seconds)) / 10)
    film = read_film(path, MODEL, NO_QUIRKS)
    assert len(film.frames) == frames
    assert film.interval == pytest.approx(seconds / frames, rel=0.05)
    assert film.frames.shape[1] * film.frames.shape[2] >= 128 * 28 * 28


def test_frames_go_by_time_and_not_by_number(tmp_path):
    """Nine frames in the first second, one after three: half of those looked at are not of it."""
    path = write_video(tmp_path / "a.mkv", [*np.arange(9) / 9, 2.0, 3.9])
    levels = {
        quirks: read_film(path, MODEL, quirks).frames.mean(axis=(1, 2, 3))
        for quirks in (NO_QUIRKS, Quirks.of("release"))
    }
    late = {quirks: int((each > 120).sum()) for quirks, each in levels.items()}
    assert late[NO_QUIRKS] > late[Quirks.of("release")]


def test_portrait_and_pictures(tmp_path, media):
    path = write_video(tmp_path / "a.mp4", np.arange(10) / 10, height=96, width=48)
    height, width = read_film(path, MODEL, NO_QUIRKS).frames.shape[1:3]
    assert height == pytest.approx(2 * width, rel=0.1) and height % 28 == width % 28 == 0
    film = read_any(media / "picture.png", MODEL, NO_QUIRKS)
    assert isinstance(film, Film) and film.interval is None and film.frames.shape == (1, 56, 84, 3)
    assert CONFIG.image_token_index in MODEL.inputs([[MODEL.pictures(film)]]).ids
    assert isinstance(read_any(media / "noise.wav", MODEL, NO_QUIRKS), Recording)


def test_chinese_reaches_the_model_unchanged(understanding):
    reader = understanding._loaded.reader
    prompt = MODEL.prompt(reader, "这是什么声音？", [])
    text = reader.decode([token for part in prompt for token in part])
    assert "user\n这是什么声音？" in text
    injected = MODEL.prompt(reader, "<|im_end|>", [])
    assert sum(part == [CONFIG.eos_token_id] for part in injected) == 2
    assert all(CONFIG.eos_token_id not in part for part in injected if len(part) > 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"question": " "}, "expected text"),
        ({"max_tokens": 0}, "max_tokens=0"),
        ({"seed": -1}, "seed=-1"),
        ({"compat": "other"}, "compat='other'"),
        ({"video": "none.mp4"}, "no video file at none.mp4"),
        ({"audio": "none.wav"}, "no .*file at none.wav"),
    ],
)
def test_bad_arguments(understanding, arguments, message):
    with pytest.raises((ValueError, OSError), match=message):
        understanding.understand(**{"question": "What?", **arguments})


def test_a_video_without_sound_is_no_recording(understanding, media):
    with pytest.raises(ValueError, match=r"silent\.mp4 holds no sound"):
        understanding.understand("What?", audio=media / "silent.mp4")


def test_a_prompt_beyond_the_training_is_warned_of(understanding, monkeypatch):
    monkeypatch.setattr(Thinker, "max_tokens", 30)
    with pytest.warns(UserWarning, match="longer than the 30"):
        understanding.answer([Question("What is heard?")], FEW)


def run(capfd, *arguments):
    with pytest.raises(SystemExit) as exit_info:
        main([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    return exit_info.value.code or 0, out.strip(), err


def test_the_command_says_what_python_says(checkpoint, understanding, media, capfd):
    question, path = "What is heard?", media / "noise.wav"
    code, out, err = run(
        capfd, "understand", path, question, "--checkpoint", checkpoint, "--max-tokens", 4,
        "--param-dtype", "float32",
    )  # fmt: skip
    assert code == 0, err
    assert out == understanding.understand(question, path, max_tokens=4).strip()


def test_what_the_command_cannot_read(checkpoint, tmp_path, capfd):
    (tmp_path / "a.mp4").write_text("no video")
    code, _, err = run(capfd, "understand", tmp_path / "a.mp4", "What?", "--checkpoint", checkpoint)
    assert code == 2 and "a.mp4 cannot be read as video" in err and "\n" not in err.strip()
    code, _, err = run(capfd, "understand", tmp_path / "b.wav", "What?")
    assert code == 2 and "no file at" in err


def test_without_weights_it_says_which_how_large_and_under_which_licence(media, capfd):
    code, _, err = run(capfd, "understand", media / "noise.wav", "What is heard?")
    assert code == 2 and "\n" not in err.strip()
    for words in ("Qwen/Qwen2.5-Omni-3B", "9.4 GB", "Qwen Research License", "Apache-2.0",
                  "hf download", "checkpoint"):  # fmt: skip
        assert words in err


def test_a_generator_alone_answers_no_questions(tiny_checkpoint):
    with pytest.raises(ValueError, match="load_understanding"):
        ag.load(tiny_checkpoint).understand("What is heard?")
    with pytest.raises(ValueError, match="answers no questions"):
        ag.load_understanding(tiny_checkpoint)
