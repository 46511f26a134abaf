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


def test_times_change_a_clip_and_no_time_is_as_before(pipeline, tiny_checkpoint):
    options = dict(duration=1.0)
    (untimed,) = make(pipeline, TALK, **options)
    (as_before,) = make(ag.load(tiny_checkpoint), TALK, **options)
    np.testing.assert_array_equal(untimed.audio, as_before.audio)
    (timed,) = make(pipeline, TALK, EVENTS, **options)
    (later,) = make(pipeline, TALK, [dataclasses.replace(EVENTS[0], end=0.4)], **options)
    assert timed.timeline == tuple(EVENTS) and not untimed.timeline
    assert change(timed, untimed).max() > 1e-3 and change(timed, later).max() > 1e-3


def test_a_model_without_times_takes_captions_alone(tiny_checkpoint):
    pipeline = ag.load(tiny_checkpoint)
    with pytest.raises(ValueError, match="clip '0': asr=0.1:0.3 'seven' .* was not trained with"):
        make(pipeline, TALK, EVENTS)
    (clip,) = make(pipeline, None, scenes("Rain falls.", BARK))
    assert len(clip.audio) == 32000
    assert clip.prompt == "<|caption|> Rain falls."


def test_a_scene_changes_its_own_stretch(pipeline):
    """And what it fades into; the windows beyond it do not see it."""
    first, second = (
        make(pipeline, None, scenes("Rain.", "Wind.", text, seconds=8.0), steps=1)[0]
        for text in ("A dog.", BARK)
    )
    assert first.audio.shape == (24 * 16000,)
    apart = change(first, second)
    assert not apart[:130].any() and apart[180:].max() > 1e-3


def test_lengths(pipeline):
    """Given, of the captions, or of the model but at least as long as the timeline."""
    (given,) = make(pipeline, TALK, scenes(BARK), duration=1.6)
    (asked,) = make(pipeline, TALK, scenes(BARK, BARK), duration=None)
    (longer,) = make(pipeline, TALK, [Event(5.0, 6.0, "env")])
    (model,) = make(pipeline, TALK, [Event(0.1, 0.2, "env")])
    (untimed,) = make(pipeline, TALK)
    seconds = [len(clip.audio) / 16000 for clip in (given, asked, longer)]
    assert seconds == [1.6, 2.0, 6.0]
    assert len(model.audio) == len(untimed.audio)


@pytest.mark.parametrize(
    "guidance", [{}, {"negative": "<|caption|> hiss", "view_guidance": {"sfx": 3.0}}]
)
def test_a_clip_is_the_same_alone_and_in_any_batch(pipeline, guidance):
    """Clips of other scenes and windows beside it, on eight devices too."""
    timelines = [scenes("Rain.", BARK), scenes("Wind.", "Rain.", seconds=0.9), EVENTS, None]
    options = {**guidance, "duration": [2.0, 1.8, 1.0, 1.0], "guidance_interval": (0.1, 0.9)}
    together = make(pipeline, [TALK] * 4, timelines, **options)
    for row, clip in enumerate(together):
        single = options | {"duration": options["duration"][row], "ids": [clip.id]}
        (alone,) = make(pipeline, TALK, timelines[row], **single)
        np.testing.assert_allclose(alone.audio, clip.audio, atol=1e-4)


def test_on_several_devices(timed_checkpoint, pipeline):
    timelines = [scenes("Rain.", BARK), scenes("Wind.", "Rain.", "Wind.", seconds=0.6)]
    split = ag.load(timed_checkpoint, devices=jax.local_devices()[:2])
    expected = make(pipeline, [None, None], timelines)
    for clip, same in zip(make(split, [None, None], timelines), expected, strict=True):
        np.testing.assert_allclose(clip.audio, same.audio, atol=1e-4)


def test_few_programs_for_many_storyboards(pipeline):
    make(pipeline, None, scenes("a", "b", "c", "d", seconds=4.0), steps=1)
    before = len(pipeline._sampler.programs.integrate)
    make(pipeline, None, scenes("a", "b", "c", seconds=16 / 3), steps=1)
    make(pipeline, None, scenes("e", "f", "e", "g", seconds=4.0), steps=1)
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
