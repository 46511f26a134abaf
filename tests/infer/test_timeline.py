"""Clips whose words and sounds are asked for at a time, and clips of several scenes."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.requests import batches
from audiogen_jax.timeline import Event

TALK = "<|caption|> a man talks in the rain <|asr|> seven two <|env|> rain"
EVENTS = [Event(0.1, 0.3, "asr", "seven"), Event(0.5, 0.7, "asr", "two")]
BARK = "<|caption|> a dog <|sfx|> a dog barks"


def scenes(*texts: str, seconds: float = 1.0) -> list[dict[str, object]]:
    """Captions one after the other."""
    return [
        {"start": i * seconds, "end": (i + 1) * seconds, "view": "caption", "text": text}
        for i, text in enumerate(texts)
    ]


@pytest.fixture(scope="module")
def timed_checkpoint(tiny_checkpoint, tmp_path_factory):
    """The tiny model, as if it had been trained with times."""
    folder = tmp_path_factory.mktemp("timed") / "model"
    shutil.copytree(tiny_checkpoint, folder, ignore=shutil.ignore_patterns("sha256.json"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"timeline": True}))
    return folder


@pytest.fixture(scope="module")
def pipeline(timed_checkpoint):
    return ag.load(timed_checkpoint)


def make(pipeline, prompts, timeline=None, **options):
    return pipeline.generate(prompts, **{"steps": 2, "timeline": timeline, **options})


def change(first: ag.Clip, second: ag.Clip) -> np.ndarray:
    """How far apart two clips are in each tenth of a second."""
    apart = np.abs(first.audio - second.audio)[: len(first.audio) // 1600 * 1600]
    return apart.reshape(-1, 1600).max(axis=1)


def test_times_change_a_clip(pipeline):
    (timed,) = make(pipeline, TALK, EVENTS, duration=1.0)
    (later,) = make(pipeline, TALK, [dataclasses.replace(EVENTS[0], end=0.4)], duration=1.0)
    assert timed.timeline == tuple(EVENTS)
    assert change(timed, later).max() > 1e-3


def test_without_a_timeline_the_model_is_told_of_none(pipeline):
    """The slot of what sounds in a frame holds what stands there in training without times."""
    (timed,) = pipeline.requests(TALK, timeline=EVENTS)
    (untimed,) = pipeline.requests(TALK)
    assert timed.conditions[0].spans.any() and untimed.conditions[0].spans is None
    nothing = pipeline._sampler.params["audiogen"]["no_time_aligned"]
    np.testing.assert_array_equal(np.ravel(untimed.conditions[0].time_aligned), np.ravel(nothing))


def test_a_model_without_times_takes_captions_alone(tiny_checkpoint):
    pipeline = ag.load(tiny_checkpoint)
    with pytest.raises(ValueError, match="clip '0': asr=0.1:0.3 'seven' .* was not trained with"):
        make(pipeline, TALK, EVENTS)
    (request,) = pipeline.requests(None, timeline=scenes("Rain falls.", BARK))
    assert request.samples == 32000 and request.prompts == 2 and not request.timed
    assert request.prompt == "<|caption|> Rain falls."


def test_a_scene_changes_its_own_stretch(pipeline):
    """And what it fades into; the windows beyond it do not see it."""
    first, second = (
        make(pipeline, None, scenes("Rain.", "Wind.", text), steps=1)[0]
        for text in ("A dog.", BARK)
    )
    assert first.audio.shape == (48000,)
    apart = change(first, second)
    assert apart[:12].max() < 1e-5 and apart[20:].max() > 1e-3


def test_lengths(pipeline):
    """Given, of the captions, or of the model but at least as long as the timeline."""

    def seconds(timeline=None, duration=None) -> float:
        (request,) = pipeline.requests(TALK, timeline=timeline, duration=duration)
        return request.samples / 16000

    assert seconds(scenes(BARK), 1.6) == 1.6
    assert seconds(scenes(BARK, BARK)) == 2.0
    assert seconds([Event(5.0, 6.0, "env")]) == 6.0
    assert seconds([Event(0.1, 0.2, "env")]) == seconds()


@pytest.fixture(scope="module")
def windowed(pipeline):
    """Timelines with windows of their own, options, and the clips of both together."""
    said = Event(0.2, 0.5, "asr", "one")
    timelines = [[*scenes("Rain.", BARK, "Wind."), said], [*scenes("Wind.", "Rain.", BARK), said]]
    options = {
        "negative": "<|caption|> hiss",
        "view_guidance": {"sfx": 3.0},
        "guidance_interval": (0.1, 0.9),
    }
    timelines[1][2] |= {"end": 2.8}
    return timelines, options, make(pipeline, [None, None], timelines, **options)


def test_a_clip_is_the_same_alone_and_in_any_batch(pipeline, windowed):
    """Beside clips of other windows."""
    timelines, options, together = windowed
    (alone,) = make(pipeline, None, timelines[1], ids=["1"], **options)
    np.testing.assert_allclose(together[1].audio, alone.audio, atol=1e-4)


@pytest.mark.slow  # test_pipeline has clips without times
def test_clips_are_the_same_on_several_devices(timed_checkpoint, windowed):
    timelines, options, together = windowed
    split = ag.load(timed_checkpoint, devices=jax.local_devices()[:2])
    for clip, same in zip(make(split, [None, None], timelines, **options), together, strict=True):
        np.testing.assert_allclose(clip.audio, same.audio, atol=1e-4)


def test_few_programs_for_many_storyboards(pipeline):
    make(pipeline, None, scenes("Rain.", "Wind.", "A dog."), steps=1)
    before = len(pipeline._sampler.programs.integrate)
    make(pipeline, None, scenes("a", "b", "c", "d", seconds=0.75), steps=1)
    make(pipeline, None, scenes("e", "f", "e", "g", seconds=0.7), steps=1)
    assert len(pipeline._sampler.programs.integrate) == before


def test_kinds_share_no_batch(pipeline):
    timelines = [None, EVENTS, scenes("a", "b"), scenes("a", "b", "c"), None]
    requests = pipeline.requests([TALK] * 5, duration=3.0, timeline=timelines)
    groups = [[request.id for request in group] for group in batches(requests)]
    assert sorted(groups) == [["0", "4"], ["1"], ["2", "3"]]  # of three captions
    assert [request.timed for request in requests] == [False, True, False, False, False]


def test_a_prompt_is_conditioned_once_for_each_caption(pipeline, monkeypatch):
    conditioned = []
    condition = pipeline._sampler.condition
    monkeypatch.setattr(
        pipeline._sampler,
        "condition",
        lambda tokens: conditioned.append(len(tokens.ids)) or condition(tokens),
    )
    texts = ("Rain.", "Wind.", "Rain.", "Wind.")
    pipeline.requests(None, timeline=scenes(*texts, seconds=9.0), options=SamplingOptions(steps=1))
    assert sum(conditioned) == 2


@pytest.mark.parametrize(
    ("timeline", "message"),
    [
        ([Event(0.5, 1.5, "env")], "clip '0': env=0.5:1.5 .* ends after the clip of 1 s"),
        ([Event(0.1, 0.2, "asr", "ten")], "clip '0': asr=0.1:0.2 'ten' .* does not say so"),
        ([{"start": 1, "end": 0.5, "view": "asr"}], "event 1 of the timeline: event from 1 to 0.5"),
        ([{"start": float("nan"), "end": 1, "view": "asr"}], "expected 0 <= start < end"),
        ([{"start": 0, "end": 1, "view": "voice"}], "view 'voice' of an event: expected one of"),
        ([{"start": 0, "end": 1}], "expected keys"),
        ("asr=0:1", "a timeline is a list of events"),
        ([[], []], "2 timelines for 1 prompts"),
    ],
)
def test_bad_timelines_are_one_line(pipeline, timeline, message):
    with pytest.raises(ValueError, match=message) as error:
        make(pipeline, TALK, timeline, duration=1.0)
    assert "\n" not in str(error.value)
