"""Audio-Omni through the pipeline: captions, words, voices, sounds, edits."""

import dataclasses

import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.models.omni.instructions import INSTRUCTIONS, read_instructions
from audiogen_jax.models.prompting import Edit, PromptInputs, Sound
from tests import tiny_omni
from tests.films import write_video
from tests.parity.golden import error

QUICK = SamplingOptions(steps=2, guidance=7.0, schedule="linear")
SAMPLING = {"steps": 2, "guidance": 7.0, "schedule": "linear"}
RATE = tiny_omni.CONFIG.sample_rate
LONGEST = tiny_omni.CONFIG.window * tiny_omni.CONFIG.downsampling_ratio


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return ag.load(tiny_omni.write_checkpoint(tmp_path_factory.mktemp("omni")))


def sound(seconds, rate=RATE, channels=1, level=0.3, mean=0.0):
    noise = np.random.default_rng(0).standard_normal((round(seconds * rate), channels))
    return Sound((level * noise + mean).astype(np.float32), rate)


def make(pipeline, prompts, **options):
    return pipeline.generate(prompts, **SAMPLING, **options)


def test_a_caption(pipeline):
    (clip,) = make(pipeline, "<|caption|> rain", seed=3)
    assert clip.audio.shape == (LONGEST, 2) and clip.sample_rate == RATE
    (again,) = make(pipeline, "<|caption|> rain", seed=3)
    np.testing.assert_array_equal(clip.audio, again.audio)
    (other,) = make(pipeline, "<|caption|> wind", seed=3)
    assert np.abs(clip.audio - other.audio).max() > 1e-3
    (short,) = make(pipeline, "<|caption|> rain", seed=3, duration=0.1)
    assert error(short.audio, clip.audio[:800]) < 1e-4


def test_a_batch_is_what_its_clips_are(pipeline):
    prompts = [f"<|caption|> sound {i}" for i in range(4)]
    together = make(pipeline, prompts)
    for i, clip in enumerate(together):
        (alone,) = make(pipeline, prompts[i], ids=[str(i)])
        assert error(clip.audio, alone.audio) < 1e-4


def test_words(pipeline):
    (said,) = make(pipeline, None, transcript="Hello")
    (other,) = make(pipeline, None, transcript="Good night")
    assert np.abs(said.audio - other.audio).max() > 1e-3 and said.prompt == "Hello"
    (described,) = make(pipeline, "<|caption|> a calm voice", transcript="Hello")
    assert np.abs(said.audio - described.audio).max() > 1e-3


def test_words_of_a_caption_are_said(pipeline):
    caption = "<|caption|> a calm voice <|asr|> Hello"
    said, silent = make(pipeline, [caption, "<|caption|> rain"])
    assert (said.prompt, silent.prompt) == (caption, "<|caption|> rain")
    (same,) = make(pipeline, "<|caption|> a calm voice", transcript="Hello")
    assert error(said.audio, same.audio) < 1e-4
    scenes = [
        {"start": i / 10, "end": (i + 1) / 10, "view": "caption", "text": caption} for i in (0, 1)
    ]
    with pytest.raises(ValueError, match="clip '0': this model says words in clips of one caption"):
        make(pipeline, None, timeline=scenes)


def test_words_beyond_what_is_read_are_told(pipeline):
    for asked in (
        {"prompts": "<|caption|> a <|asr|> " + "ha " * 20},
        {"prompts": None, "transcript": "ha " * 20},
    ):
        with pytest.warns(UserWarning, match="than the 40 that the model reads: the end is lost"):
            (clip,) = make(pipeline, **asked)
        assert clip.lost_views == ("asr",)


def test_a_voice_is_cut_from_the_start_of_its_clip(pipeline):
    """As much of it as is heard, its end; the rest of the clip is what it goes on to say."""
    options = {"transcript": "Hello", "voice_text": "Good day"}
    (clip,) = make(pipeline, None, voice=sound(0.1, 16000, 2), **options)
    assert len(clip.audio) == LONGEST - 0.1 * RATE
    heard = round(0.6 * tiny_omni.CONFIG.reference_samples)
    voice = sound(1.0)
    (long,) = make(pipeline, None, voice=voice, **options)
    assert len(long.audio) == LONGEST - heard
    end = Sound(voice.samples[-heard:], RATE)
    (same,) = make(pipeline, None, voice=end, **options)
    assert error(long.audio, same.audio) < 1e-4


def test_sound_that_a_caption_is_about(pipeline):
    (heard,) = make(pipeline, "<|caption|> more of this", audio=sound(0.3, 44100, 2))
    (other,) = make(pipeline, "<|caption|> more of this", audio=sound(0.3, 44100, 2, level=0.01))
    assert np.abs(heard.audio - other.audio).max() > 1e-4


@pytest.mark.parametrize(
    ("seconds", "rate", "channels"),
    [(0.1, 8000, 1), (0.2, 44101, 2), (0.9, 16000, 1), (0.256, 8000, 2)],
)
def test_an_edit_has_the_length_rate_and_channels_of_its_source(pipeline, seconds, rate, channels):
    source = sound(seconds, rate, channels)
    clip = pipeline.edit("remove", source, what="a dog barking", options=QUICK)
    shape = source.samples.shape if channels > 1 else source.samples.shape[:1]
    assert clip.audio.shape == shape and clip.sample_rate == rate
    assert np.isfinite(clip.audio).all() and clip.prompt == "remove a dog barking"


def test_kinds_of_edits_differ(pipeline):
    source = sound(0.2)
    clips = {
        kind: pipeline.edit(kind, source, what="rain", options=QUICK).audio
        for kind in ("add", "remove", "extract")
    }
    clips["restyle"] = pipeline.edit("restyle", source, what="rain", to="wind", options=QUICK).audio
    names = list(clips)
    for i, name in enumerate(names):
        for other in names[:i]:
            assert np.abs(clips[name] - clips[other]).max() > 1e-4, (name, other)


def test_an_edit_hears_its_source(pipeline):
    """Silence, a negative mean and a mirrored source are sources like others."""
    of = {
        name: pipeline.edit("extract", source, what="rain", options=QUICK).audio
        for name, source in {
            "noise": sound(0.2),
            "negative": sound(0.2, mean=-0.2),
            "silence": sound(0.2, level=0.0),
        }.items()
    }
    assert np.abs(of["noise"] - of["negative"]).max() > 1e-4
    assert np.abs(of["noise"] - of["silence"]).max() > 1e-4


def test_parts_of_a_long_edit_are_faded_into_one_another(pipeline):
    source = sound(0.9, 8000)
    clip = pipeline.edit("remove", source, what="rain", options=QUICK)
    first = pipeline.edit("remove", Sound(source.samples[:2048], 8000), what="rain", options=QUICK)
    kept = 2048 - int(0.1 * 2048)
    assert error(clip.audio[:kept], first.audio[:kept]) < 1e-4
    assert np.abs(clip.audio[kept:2048] - first.audio[kept:2048]).max() > 1e-4


def test_the_thinker_answers(pipeline):
    assert isinstance(pipeline.understand("What is heard?", audio=sound_clip()), str)


def test_the_thinker_answers_without_the_network(pipeline, tmp_path):
    """Gigabytes that no answer needs are not read."""
    folder = pipeline.loaded.folders[0]
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "thinker").symlink_to(folder / "thinker")
    alone = ag.load_understanding(tmp_path, param_dtype="float32")
    clip = sound_clip()
    assert alone.understand("What is heard?", clip) == pipeline.understand("What is heard?", clip)


def sound_clip():
    return ag.Clip(sound(0.3).samples, RATE, "0", "", 0)


def test_bad_inputs_are_named(pipeline):
    voice = sound(0.1)
    for inputs, named in (
        ({"voice": voice, "transcript": "Hello"}, "voice_text"),
        ({"voice_text": "Hello", "transcript": "Hello"}, "give the voice"),
        ({"transcript": " "}, "transcript=' '"),
        ({"audio": voice}, "nothing to make a clip from"),
    ):
        with pytest.raises(ValueError, match=named):
            make(pipeline, None, **inputs)
    with pytest.raises(ValueError, match="after a voice of"):
        make(pipeline, None, transcript="a", voice=voice, voice_text="b", duration=0.3)
    with pytest.raises(ValueError, match="expected one of"):
        pipeline.edit("paint", voice, what="rain")  # pyright: ignore
    with pytest.raises(ValueError, match="`to` for restyle alone"):
        pipeline.edit("remove", voice, what="rain", to="wind")
    with pytest.raises(ValueError, match="need their sample_rate"):
        pipeline.edit("remove", voice.samples, what="rain")
    with pytest.raises(ValueError, match="do not go together"):
        PromptInputs(transcript="a", edit=Edit("add", "rain", voice))


def test_models_that_read_captions_alone_say_so(tiny_checkpoint):
    nano = ag.load(tiny_checkpoint)
    with pytest.raises(ValueError, match="edits nothing by instruction"):
        nano.edit("remove", sound(0.2), what="rain")
    with pytest.raises(ValueError, match=r"reads captions alone, no \['transcript'\]"):
        nano.generate(None, transcript="Hello")


def test_another_wording_in_the_folder(pipeline, tmp_path):
    reader, texts = pipeline.inputs.reader, ["<|caption|> rain"]
    path = tmp_path / "instructions.json"
    path.write_text('{"sound": {"system": "Be loud", "user": "{text}"}}')
    worded = dataclasses.replace(reader, instructions=read_instructions(tmp_path))
    assert worded.instructions["music"] == INSTRUCTIONS["music"]
    counts = [each.tokens(texts, 400).mask.sum() for each in (reader, worded)]
    assert counts[1] < counts[0]
    for wording in ('{"song": {"system": "", "user": ""}}', '{"sound": {"user": "{sound}"}}'):
        path.write_text(wording)
        with pytest.raises(ValueError, match="instructions.json"):
            read_instructions(tmp_path)


def test_options_of_edits_are_those_of_the_release():
    from audiogen_jax.infer.editing import EDITING

    values = dataclasses.asdict(EDITING)
    assert (values["steps"], values["guidance"], values["schedule"]) == (100, 7.0, "linear")


def test_one_file_of_three_models_is_the_same_model(pipeline, tmp_path, tmp_path_factory):
    separate = tiny_omni.write_checkpoint(tmp_path / "separate")
    released = tiny_omni.write_released(tmp_path / "released", separate)
    (clip,) = make(pipeline, "<|caption|> rain")
    (same,) = make(ag.load(released), "<|caption|> rain")
    assert error(same.audio, clip.audio) < 1e-5
    audio = sound(0.2, channels=2).samples[None]
    latents = ag.load_tokenizer(released).encode(audio)
    assert error(latents, pipeline.codec.encode(audio)) < 1e-5
    counts = ag.convert_checkpoint(released, tmp_path / "copy", "float32", max_shard_bytes=60_000)
    assert set(counts) == {".", "codec", "thinker"}
    assert len([*(tmp_path / "copy").glob("*.safetensors")]) > 1
    (again,) = make(ag.load(tmp_path / "copy"), "<|caption|> rain")
    assert error(again.audio, clip.audio) < 1e-5


@pytest.mark.parametrize("caption", [None, "<|caption|> piano <|music|> calm piano"])
def test_a_long_video_is_seen_in_windows(pipeline, tmp_path, caption):
    """Each window hears what it sees: a change at the end of the video changes the end most."""
    times = np.arange(20) / 25  # over twice what is seen at once
    film = write_video(tmp_path / "a.mp4", times)
    other = write_video(tmp_path / "b.mp4", np.where(times < 0.5, times, 2 + times))
    (clip,), (changed,) = (make(pipeline, caption, video=each) for each in (film, other))
    assert len(clip.audio) == round(0.8 * RATE)
    count = round(0.8 * RATE)
    difference = np.abs(clip.audio - changed.audio[:count])
    first, last = difference[: LONGEST // 2].mean(), difference[count - LONGEST // 2 :].mean()
    assert first < 0.2 * last
    (short,) = make(pipeline, caption, video=film, duration=0.3)
    assert len(short.audio) == round(0.3 * RATE)
    with pytest.raises(ValueError, match=r"words beside a video of 0.80 s: at most 0.30 s"):
        make(pipeline, caption, video=film, transcript="Hello")


def test_video(pipeline, tmp_path):
    """Its sound lasts as long as it does; what is seen decides it, with a caption or without."""
    (tmp_path / "videos").mkdir()
    film = write_video(tmp_path / "videos" / "a.mp4", np.arange(5) / 25)
    dark = write_video(tmp_path / "videos" / "b.mp4", np.zeros(1))
    (clip,) = make(pipeline, None, video=film)
    assert len(clip.audio) == round(0.2 * RATE) and clip.prompt == "video a.mp4"
    (music,) = make(pipeline, "<|caption|> piano <|music|> calm piano", video=film)
    assert error(music.audio, clip.audio) > 1e-4
    (other,) = make(pipeline, None, video=dark, duration=0.2)
    assert error(other.audio, clip.audio) > 1e-4
    (tmp_path / "videos" / "d.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"clip '0': .*d.mp4"):
        make(pipeline, None, video=tmp_path / "videos" / "d.mp4")
    blind = dataclasses.replace(pipeline.inputs.reader, see=None)
    with pytest.raises(ValueError, match="synchformer_state_dict.pth"):
        blind.read(PromptInputs(video=film))
