"""Language models behind HTTP, in every mood: good, slow, declining, and talking nonsense."""

import json

import pytest
from typer.testing import CliRunner

from audiogen_jax.caption import VIEWS, StructuredCaption
from audiogen_jax.chat import ChatEndpoint, RefusedError, TransientError
from audiogen_jax.cli import app
from audiogen_jax.refiner.direct import direct
from audiogen_jax.refiner.fallback import LanguageModelOrEmbedded
from audiogen_jax.refiner.language_model import (
    SCHEMA,
    AnswerError,
    LanguageModelRefiner,
    read_shots,
)
from audiogen_jax.refiner.refine import refine
from audiogen_jax.timeline import Event
from tests.chat_stub import Stub, chat_server, completion, late, late_header

TEXT = 'A man says "seven" while a dog barks in the rain.'
SHOT = {
    "seconds": 4,
    "caption": "A man says seven while a dog barks in the rain.",
    **dict.fromkeys(VIEWS[1:]),
    "speech": "a man",
    "asr": "Seven.",
    "sfx": "a dog barks",
    "env": "rain",
    "events": [{"start": 1, "end": 2.5, "view": "sfx", "text": "a dog barks"}],
}
SCENE = StructuredCaption(SHOT["caption"], "a man", "Seven.", "a dog barks", None, "rain")


def shots(*changes: dict) -> str:
    return json.dumps({"shots": [{**SHOT, **change} for change in changes or ({},)]})


@pytest.fixture(scope="module")
def server():
    with chat_server() as address:
        yield address


@pytest.fixture
def model(server, monkeypatch):
    """Makes a refiner whose endpoint has moods before the good answer."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def model(*moods, timeout: float = 5.0) -> LanguageModelRefiner:
        left = [*moods]
        Stub.mood = lambda body: left.pop(0) if left else shots()
        Stub.requests = []
        endpoint = ChatEndpoint(server, "writer", key="SECRET", timeout=timeout)
        return LanguageModelRefiner(endpoint, pause=0.001)

    return model


def test_what_is_asked_and_read(model, monkeypatch):
    monkeypatch.setenv("SECRET", "abc")
    refiner = model()
    (shot,) = refiner.shots(TEXT)
    assert (shot.caption, shot.seconds) == (SCENE, 4.0)
    assert shot.events == (Event(1, 2.5, "sfx", "a dog barks"),)
    (request,) = Stub.requests
    assert (request["model"], request["key"]) == ("writer", "Bearer abc")
    assert request["messages"][-1] == {"role": "user", "content": TEXT}
    assert request["response_format"]["json_schema"]["schema"] == SCHEMA
    for example in request["messages"][2::2]:
        read_shots(example["content"], "")


@pytest.mark.parametrize(
    ("moods", "requests"),
    [
        ([f"Here you are:\n```json\n{shots()}\n```"], 1),
        (["Sure!"], 2),
        (["[" * 5000, '{"shots": []}'], 3),
        ([shots({"asr": "eight"})], 2),  # the quoted word is another
        ([503, 429], 3),
        ([400], 2),  # a server that knows no schemas
        ([{"content": None}], 2),
    ],
)
def test_bad_answers_are_asked_again(model, moods, requests):
    refiner = model(*moods)
    assert refiner.refine(TEXT) == SCENE
    assert len(Stub.requests) == requests
    if moods == ["Sure!"]:
        assert Stub.requests[1]["messages"][-1]["content"].startswith("this is no JSON")
    if moods == [400]:
        assert "response_format" not in Stub.requests[1]


def test_several_shots_are_merged(model):
    refiner = model(shots({}, {"asr": None, "sfx": "thunder", "events": []}))
    merged = refiner.refine(TEXT)
    assert (merged.caption, merged.asr, merged.sfx) == (TEXT, "Seven.", "a dog barks, thunder")


@pytest.mark.parametrize(
    ("moods", "error", "message"),
    [
        ([{"refusal": "I will not"}] * 2, RefusedError, "declines: I will not"),
        (["no"] * 3, RefusedError, "writer gives no scene: this is no JSON"),
        ([500] * 3, TransientError, "answers 500"),
        ([401], ValueError, r"answers 401.*a key is read from SECRET"),
    ],
)
def test_no_answer(model, moods, error, message):
    with pytest.raises(error, match=message):
        model(*moods).shots(TEXT)


@pytest.mark.parametrize("mood", [late, late_header])
def test_an_endpoint_that_is_slow(model, mood):
    with pytest.raises(TransientError, match="no answer within 0.05 s"):
        model(mood, mood, mood, timeout=0.05).shots(TEXT)


def test_an_endpoint_that_is_elsewhere_gets_no_key(model, monkeypatch):
    monkeypatch.setenv("SECRET", "abc\n")  # as files have it

    def elsewhere(handler: Stub) -> None:
        handler.answer(b"", 302, Location="http://127.0.0.1:9/v1")

    with pytest.raises(ValueError, match="answers 302: give the address 'http://127.0.0.1:9/v1'"):
        model(elsewhere).shots(TEXT)
    assert [request["key"] for request in Stub.requests] == ["Bearer abc"]
    monkeypatch.setenv("SECRET", "abc\nX: y")
    with pytest.raises(ValueError, match="the key in SECRET has characters") as error:
        model().shots(TEXT)
    assert "abc" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://h:99999/v1", "Port out of range"),
        ("http://h:a/v1", "Port could not be cast"),
        ("http://me:secret@h/v1", "expected http://HOST/v1"),
        ("http://h/v 1", "characters that no address holds"),
        ("http://h/\u00fc", "characters that no address holds"),
    ],
)
def test_wrong_addresses_are_said_at_once(url, message):
    with pytest.raises(ValueError, match=message):
        ChatEndpoint(url, "writer", key="SECRET")
    with pytest.raises(ValueError, match="timeout=1e"):
        ChatEndpoint("http://h/v1", "writer", key="SECRET", timeout=1e300)


def test_counts_that_are_none(model):
    for usage, expected in (
        ({"cost": 10**400}, (100, 20, None)),
        ({"cost": float("inf"), "prompt_tokens": -1, "completion_tokens": True}, (0, 0, None)),
        ({"cost": True, "prompt_tokens": "7"}, (0, 20, None)),
    ):
        refiner = model(completion(shots(), **usage))
        assert refiner.refine(TEXT) == SCENE and refiner.replies[0][1:] == expected


def test_an_answer_among_words_is_read():
    answer = f"<think>{{a scene?}}</think> Here:\n```json\n{shots()}\n```\nIs it good?"
    assert read_shots(answer, TEXT) == read_shots(shots(), TEXT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"caption": " "}, "shot 1: the caption view is empty"),
        ({"sfx": 7}, "sfx of shot 1 is no text"),
        ({"music": "<|env|> rain"}, "contains the tag"),
        ({"seconds": -1}, "seconds of shot 1 is -1"),
        ({"seconds": True}, "seconds of shot 1 is True"),
        ({"seconds": float("nan")}, "seconds of shot 1 is nan"),
        ({"seconds": 0.0001}, "seconds of shot 1 is 0.0001: 0.1 to 600"),
        ({"seconds": 10**400}, "seconds of shot 1 is 1000"),
        ({"seconds": 2}, "ends after its 2 seconds"),
        ({"events": "none"}, "are no list"),
        ({"events": [{"start": 1}]}, "shot 1: "),
        ({"events": [{"start": 2, "end": 1, "view": "sfx"}]}, "0 <= start < end"),
        ({"events": [{"start": 0, "end": 1, "view": "music", "text": "a"}]}, "that view is null"),
        ({"events": [{"start": 0, "end": 1, "view": "sfx", "text": "do"}]}, "is not in its sfx"),
        ({"events": [{"start": 0, "end": 0.001, "view": "sfx"}]}, "is shorter than 0.01 seconds"),
    ],
)
def test_answers_that_are_no_scene(change, message):
    with pytest.raises(AnswerError, match=message):
        read_shots(shots(change), TEXT)


def test_the_embedded_refiner_steps_in(model):
    refiner = LanguageModelOrEmbedded(model(*[500] * 3))
    for text in (TEXT, "A bell rings."):
        assert refiner.refine(text).caption == text
    assert len(Stub.requests) == 3  # an endpoint that is not there is not asked again
    assert len(refiner.warnings) == 1
    declining = LanguageModelOrEmbedded(model({"refusal": "no"}, {"refusal": "no"}))
    assert declining.refine(TEXT).caption == TEXT
    assert declining.refine(TEXT) == SCENE
    assert declining.usage() == "1 answers, 100 tokens read, 20 written, cost 0.25"


def test_scripts_are_read_by_any_refiner(model):
    timeline = direct("EXT. YARD\n\nSomething barks.\n\nANNA\nSeven.", model())
    first, second = (StructuredCaption.parse(str(event.text)) for event in timeline)
    assert (first, second.asr) == (SCENE, "Seven.")


def test_command_line(model, server, tmp_path):
    runner, asked = CliRunner(), ["--llm", server, "--model", "writer"]
    model()
    done = runner.invoke(app, ["refine", TEXT, "--json", *asked])
    assert done.exit_code == 0, done.output
    row = json.loads(done.stdout)
    assert row["asr"] == "Seven." and row["timeline"][0]["end"] == 2.5
    assert done.stderr == "1 answers, 100 tokens read, 20 written, cost 0.25\n"
    model(shots({}, {"asr": None}))
    row = json.loads(runner.invoke(app, ["refine", TEXT, "--json", *asked]).stdout)
    assert [event["view"] for event in row["timeline"]] == ["caption", "sfx"] * 2
    model(shots({}, {"asr": None, "seconds": None}))
    done = runner.invoke(app, ["refine", TEXT, "--json", *asked])
    assert "timeline" not in done.stdout and "2 shots, not all with a length" in done.stderr
    model()
    assert "its times are left out" in runner.invoke(app, ["refine", TEXT, *asked]).stderr
    script, board = tmp_path / "scene.fountain", tmp_path / "board.json"
    script.write_text("Rain falls.\n\nANNA\nWe are late.")
    done = runner.invoke(app, ["refine", "--script", str(script), "-o", str(board)])
    assert done.exit_code == 0 and done.stdout == f"{board}: 2 shots, 6 s\n"
    assert [event["end"] for event in json.loads(board.read_text())] == [3.0, 6.0]
    for wrong in (["--script", str(script)], [TEXT, "--llm", server], [], [TEXT, "-o", "x.json"]):
        assert isinstance(runner.invoke(app, ["refine", *wrong]).exception, ValueError)


TEXTS = (
    "Rain falls on a tin roof.",
    'A woman whispers "come here" in a church.',
    "No music, only wind in dry grass and, far away, a train.",
    "Zwei Hunde bellen, dann sagt jemand „Ruhe“.",
    "雨が降っている。「七」と男が言う。",
    "A crowd cheers; the commentator shouts 'goal' twice!",
    "Two seconds of silence, then thunder.",
    "Birds",
    "A song called 'Yesterday' plays on a radio in the kitchen.",
    "An engine starts, idles for five seconds and dies.",
    "INT. KITCHEN - NIGHT\n\nA kettle boils.\n\nANNA\nTea?\n\nBEN (O.S.)\n(laughing)\nAlways.",
    "EXT. HARBOUR - DAWN\n\nGulls. Waves slap against hulls.\n\nCAPTAIN\nCast off!",
    "Title: Storm\nAuthor: A\n\nEXT. FIELD\n\nThunder.\n\nCUT TO:\n\nINT. BARN\n\nA cow.",
    "A train passes.\n\nBirds sing.\n\nSilence.",
    ".UNDERWATER\n\nBubbles rise.\n\n@McKAY\nDid you hear that?",
    "INT. BAR\n\n> THE END <\n\n!BANG\n\nA glass breaks.",
    "# Act one\n\n= They meet.\n\nEXT. STREET #2#\n\nFootsteps [[slow]] on gravel.",
    "ANNA\n~la la la\n\nA door *slams*.",
    "EST. CITY\n\nTraffic, horns, a siren.\n\nMAYOR ^\nQuiet, please.",
    "INT./EXT. CAR\n\nRain. The radio plays slow jazz.\n\nDRIVER\n(tired)\nSeven miles.",
)


@pytest.mark.parametrize("text", TEXTS)
def test_views_are_valid_of_any_sentence_and_script(model, text):
    """By the embedded refiner, and by a model whose words do not always fit."""
    answering = LanguageModelOrEmbedded(model())
    for refiner in (None, answering):
        timeline = direct(text, refiner)
        assert timeline and timeline[0].start == 0
        for event in timeline:
            scene = StructuredCaption.parse(str(event.text))
            assert StructuredCaption.parse(scene.format()) == scene
        if "\n" not in text:
            scene = refine(text, refiner)
            assert StructuredCaption.parse(scene.format()) == scene
