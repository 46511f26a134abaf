"""Scripts to scenes, and to storyboards."""

import hypothesis
import hypothesis.strategies as st
import pytest

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.refiner.direct import direct
from audiogen_jax.refiner.script import Passage, ScriptScene, read_script
from audiogen_jax.refiner.shots import Shot, as_json, storyboard
from audiogen_jax.timeline import Event, parse_timeline

FOUNTAIN = """\
Title: The Storm
Author: Nobody

INT. KITCHEN - NIGHT #1#

Rain beats against the window. [[quiet, first]]
A kettle *whistles*.

ANNA (V.O.)
(whispering)
We are late.
Come on.

@McBAIN
Fine.

CUT TO:

EXT. STREET

# Act two

= A dog is heard.

!BANG
A dog barks.
"""


def test_fountain():
    assert read_script(FOUNTAIN) == [
        ScriptScene(
            "kitchen, night",
            (
                Passage("Rain beats against the window. A kettle whistles."),
                Passage("We are late. Come on.", "ANNA", "whispering"),
                Passage("Fine.", "McBAIN"),
            ),
        ),
        ScriptScene("street", (Passage("BANG A dog barks."),)),
    ]


def test_marks_that_nothing_closes():
    assert read_script("A /* b */ c /* d")[0].passages == (Passage("A c / d"),)
    assert read_script("[[" * 50_000 + "a")  # in no time, as these have
    assert read_script("INT. A" + " " * 50_000 + "b\n\nRain falls.")[0].place == "a b"


def test_who_speaks_in_any_script_and_with_remarks():
    text = "ИВАН\rПривет.\r\rHANS MÜLLER (on the radio) ^\rHallo.\r\r雨が降る。\r猫が鳴く。"
    assert read_script(text)[0].passages == (
        Passage("Привет.", "ИВАН"),
        Passage("Hallo.", "HANS MÜLLER"),
        Passage("雨が降る。 猫が鳴く。"),
    )
    speech = StructuredCaption.parse(str(direct(text)[1].text))
    assert speech.speech == "Hans Müller"


def test_words_without_spaces_take_their_time():
    (event,) = direct("@Li\n" + "七" * 100)
    assert event.end == 20.5  # five characters a second


def test_plain_paragraphs():
    text = "A train passes.\r\n\r\nBirds sing in a garden,\r\nfar away."
    assert read_script(text) == [
        ScriptScene(
            None, (Passage("A train passes."), Passage("Birds sing in a garden, far away."))
        )
    ]


@pytest.mark.parametrize("text", ["", " \n\n", "INT. KITCHEN", "CUT TO:", "/* a note */"])
def test_a_script_that_tells_nothing(text: str):
    with pytest.raises(ValueError, match="the script tells nothing"):
        read_script(text)


def test_a_script_becomes_a_storyboard():
    timeline = direct(FOUNTAIN)
    shots = [StructuredCaption.parse(str(event.text)) for event in timeline]
    assert [event.start for event in timeline[1:]] == [event.end for event in timeline[:-1]]
    assert all(event.view == "caption" and event.end - event.start > 2.99 for event in timeline)
    assert [shot.asr for shot in shots] == [None, "We are late. Come on.", "Fine.", None]
    assert shots[1].speech == "Anna, whispering"
    assert [shot.env for shot in shots[1:3]] == ["kitchen, night"] * 2
    assert "dog" in str(shots[3].sfx)
    assert parse_timeline(as_json(timeline)) == timeline


@hypothesis.given(st.text(alphabet=st.sampled_from("Aa .\n():@!>#=*_INT-EXT\"'"), max_size=80))
def test_any_text_is_scenes_or_one_error(text: str):
    try:
        timeline = direct(text)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    for event in timeline:
        assert StructuredCaption.parse(str(event.text)).caption


def test_times_of_shots_follow_one_another():
    event = Event(0.5, 1.0, "asr", "go")
    shot = Shot(StructuredCaption("a", asr="go"), 2.0, (event,))
    first, second, third, fourth = storyboard([shot, shot])
    assert (first.end, third.start, third.end) == (2.0, 2.0, 4.0)
    assert (second, fourth) == (event, Event(2.5, 3.0, "asr", "go"))
    for shots in ([], [Shot(StructuredCaption("a"))]):
        with pytest.raises(ValueError, match="storyboard"):
            storyboard(shots)
