"""Structured captions: written and read exactly, every malformed input named."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.caption import VIEWS, StructuredCaption, compose, parse

plain_text = st.text(min_size=1).filter(lambda text: text.strip() and not _has_tag(text))
scenes = st.builds(StructuredCaption, plain_text, *([st.none() | plain_text] * (len(VIEWS) - 1)))


def _has_tag(text: str) -> bool:
    return re.search(r"<\|[^<>|]*\|>", text) is not None


@given(scenes)
def test_round_trip(scene: StructuredCaption):
    text = scene.format()
    assert text.startswith("<|caption|> ")
    assert parse(text) == scene
    assert parse(text).format() == text


@given(scenes, st.permutations(VIEWS))
def test_any_order_is_read(scene: StructuredCaption, order: list[str]):
    present = [(view, getattr(scene, view)) for view in order if getattr(scene, view)]
    assert parse("".join(f"  <|{view}|>{text}\n" for view, text in present)) == scene


CASES = json.loads((Path(__file__).parent / "golden" / "prompt_cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: json.dumps(case["kwargs"]))
def test_compose_as_released(case: dict):
    if "error" in case:
        with pytest.raises(ValueError, match="caption"):
            compose(**case["kwargs"])
    else:
        assert compose(**case["kwargs"]) == case["result"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "caption view is empty"),
        ("a dog barks <|env", "a tag is cut in 'a dog barks <|env'"),
        ("a dog barks caption|>", "a tag is cut"),
        ("a dog <|caption|> barks", "before the first tag: 'a dog'"),
        ("<|speech|> hello", "no <|caption|> view"),
        ("<|caption|>  ", "caption view is empty"),
        ("<|caption|> x <|noise|> y", "unknown tag <|noise|>"),
        ("<|caption|> x <|Speech|> y", "unknown tag <|Speech|>"),
        ("<|caption|> x <|sfx|> y <|sfx|> z", "<|sfx|> appears twice"),
        ("<|caption|> x <|sfx|> <|sfx|> z", "<|sfx|> appears twice"),
    ],
)
def test_malformed(text: str, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(text)


def test_a_sentence_is_the_caption():
    assert parse(" a dog barks ") == StructuredCaption("a dog barks")


def test_a_view_cannot_smuggle_a_tag():
    with pytest.raises(
        ValueError, match="view 'caption' contains the tag '<|env|>'".replace("|", r"\|")
    ):
        compose(caption="rain <|env|> street")


def test_dropped_views_leave_the_caption_and_hit_their_rate():
    scene = StructuredCaption("c", "s", "a", "f", "m", "e")
    rng = np.random.default_rng(0)
    drops = np.array(
        [
            [getattr(kept, view) is None for view in VIEWS]
            for kept in (scene.drop_views(rng, 0.2) for _ in range(4000))
        ]
    )
    assert not drops[:, 0].any()
    # Six standard deviations of a mean of 4000 draws.
    np.testing.assert_allclose(drops[:, 1:].mean(axis=0), 0.2, atol=6 * np.sqrt(0.16 / 4000))
    correlation = np.corrcoef(drops[:, 1:].T)
    assert np.abs(correlation - np.eye(5)).max() < 6 / np.sqrt(4000)


def test_dropping_draws_the_same_numbers_whichever_views_are_present():
    full, bare = np.random.default_rng(3), np.random.default_rng(3)
    StructuredCaption("c", "s", "a", "f", "m", "e").drop_views(full)
    StructuredCaption("c").drop_views(bare)
    assert full.random() == bare.random()


@pytest.mark.parametrize("text", ["a dog \ud83d", "caf\udce9"], ids=["cut", "another encoding"])
def test_half_a_character_is_named(text: str):
    for make in (lambda: StructuredCaption(text), lambda: parse(f"<|caption|> x <|sfx|> {text}")):
        with pytest.raises(ValueError, match=r"holds half of a character, \\ud") as refusal:
            make()
        str(refusal.value).encode()
