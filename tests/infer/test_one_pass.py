"""A prompt goes through once: parsed, tokenised and conditioned, then it waits for its batch."""

import dataclasses

import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.caption import StructuredCaption
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.infer.requests import batches

PROMPTS = [
    "<|caption|> rain",
    "<|caption|> a dog barks in the rain <|sfx|> bark <|env|> a street far away",
    "<|caption|> wind <|speech|> a man <|asr|> hello",
]


@pytest.fixture
def counted(tiny_checkpoint, monkeypatch):
    """A pipeline, and what was parsed, tokenised and conditioned so far."""
    pipeline = ag.load(tiny_checkpoint)
    calls: dict[str, list] = {"parsed": [], "tokenised": [], "conditioned": []}
    parse, tokenize = StructuredCaption.parse.__func__, pipeline._requests.tokenize
    condition = pipeline._sampler.condition

    def counting_parse(cls, text):
        calls["parsed"].append(text)
        return parse(cls, text)

    def counting_tokenize(texts):
        calls["tokenised"] += texts
        return tokenize(texts)

    def counting_condition(prompts):
        rows = zip(prompts.ids, prompts.mask, strict=True)
        calls["conditioned"] += [tuple(row[mask]) for row, mask in rows]
        return condition(prompts)

    monkeypatch.setattr(StructuredCaption, "parse", classmethod(counting_parse))
    maker = dataclasses.replace(pipeline._requests, tokenize=counting_tokenize)
    monkeypatch.setattr(pipeline, "_requests", maker)
    monkeypatch.setattr(pipeline._sampler, "condition", counting_condition)
    return pipeline, calls


@pytest.mark.parametrize("duration", [None, 0.5])
def test_a_prompt_is_read_once(counted, duration):
    pipeline, calls = counted
    pipeline.generate(PROMPTS, steps=1, duration=duration)
    assert calls["parsed"] == PROMPTS
    assert len(calls["tokenised"]) == len(set(calls["tokenised"])) == len(PROMPTS)
    assert len(calls["conditioned"]) == len(set(calls["conditioned"])) == len(PROMPTS)


def test_what_guidance_needs_is_read_once_too(counted):
    """The negative prompt is the same for all clips; a view that is absent leaves the prompt."""
    pipeline, calls = counted
    pipeline.generate(
        PROMPTS, steps=1, duration=0.5, negative="<|caption|> hiss", view_guidance={"sfx": 3.0}
    )
    assert calls["parsed"].count(PROMPTS[1]) == 1
    without_effects = "<|caption|> a dog barks in the rain <|env|> a street far away"
    assert set(calls["tokenised"]) == {*PROMPTS, "<|caption|> hiss", without_effects}
    assert len(calls["tokenised"]) == len(set(calls["tokenised"])) == len(PROMPTS) + 2
    assert len(calls["conditioned"]) == len(set(calls["conditioned"])) == len(PROMPTS) + 2


def test_equal_prompts_share_a_condition(counted):
    pipeline, calls = counted
    first, second = pipeline.requests([PROMPTS[0]] * 2)
    assert len(calls["conditioned"]) == 1
    assert first.conditions[0] is second.conditions[0]


def test_conditions_of_several_lengths_meet_in_a_batch(tiny_checkpoint):
    """Texts of several buckets, in one batch and each by itself: the same clips."""
    pipeline = Pipeline.load(tiny_checkpoint)
    options = SamplingOptions(steps=2)
    longer = "<|caption|> " + " ".join(["a dog barks in the rain"] * 4)
    requests = pipeline.requests([PROMPTS[0], longer], ["a", "b"], 0.5, options)
    widths = {request.conditions[0].context.shape[1] for request in requests}
    assert len(widths) == 2
    (batch,) = batches(requests)
    together = pipeline.collect(pipeline.submit(batch, 0, options))
    for request, clip in zip(batch, together, strict=True):
        (alone,) = pipeline.collect(pipeline.submit([request], 0, options))
        np.testing.assert_allclose(clip.audio, alone.audio, atol=1e-4)
