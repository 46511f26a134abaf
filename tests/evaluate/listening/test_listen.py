"""Judges behind HTTP, in every mood: what is sent, kept, tried again and given up."""

import base64
import io
import json

import numpy as np
import pytest
import soundfile

from audiogen_jax.chat import RefusedError, TransientError
from audiogen_jax.evaluate.listening.endpoint import KEY, EndpointJudge
from audiogen_jax.evaluate.listening.judge import UnderstandingJudge
from audiogen_jax.evaluate.listening.listen import Answers, Sheet, plan, rate
from audiogen_jax.evaluate.listening.load import load_judge
from audiogen_jax.infer.understand import Understanding
from tests.chat_stub import Stub, chat_server, completion, cut, late
from tests.tiny_thinker import write_checkpoint

RATINGS = {"prompt": 4, "realism": 3, "coherence": 5}
ANSWER = json.dumps(RATINGS)


@pytest.fixture(scope="module")
def server():
    with chat_server() as address:
        yield address


@pytest.fixture
def ask(server, tmp_path, monkeypatch):
    """Asks of clips by their moods: caption -> answers before the good one."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(KEY, raising=False)
    Stub.requests = []

    def ask(moods: dict[str, list], timeout: float = 5.0):
        left = {name: [*answers] for name, answers in moods.items()}

        def mood(body: dict):
            text = body["messages"][0]["content"][0]["text"]
            answers = next((left[name] for name in left if f": {name}\n" in text), [])
            return answers.pop(0) if answers else ANSWER

        Stub.mood = mood
        judge = EndpointJudge(server, "ears", timeout)
        sheets = [sheet(name) for name in moods]
        return rate(judge, sheets, Answers(tmp_path, judge), attempts=3, pause=0.001)

    return ask


def sheet(caption: str, words: str = "") -> Sheet:
    samples = 0.1 * np.random.default_rng(len(caption)).standard_normal(800)
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, format="wav")
    return Sheet(caption, caption, words, file.getvalue)


def test_what_is_sent(ask, monkeypatch):
    monkeypatch.setenv(KEY, "secret")
    ratings = ask({"rain": []})
    assert ratings.ratings == {"rain": RATINGS} and ratings.failures == {}
    assert ratings.scores("ears") == {
        "prompt (ears)": {"rain": 4.0}, "realism (ears)": {"rain": 3.0},
        "coherence (ears)": {"rain": 5.0}, "mean (ears)": {"rain": 4.0},
    }  # fmt: skip
    (request,) = Stub.requests
    assert request["path"] == "/v1/chat/completions" and request["key"] == "Bearer secret"
    assert request["model"] == "ears" and request["temperature"] == 0
    text, sound = request["messages"][0]["content"]
    assert "Description: rain" in text["text"]
    assert base64.b64decode(sound["input_audio"]["data"]) == sheet("rain").wav()


def test_answers_are_kept_by_sound_question_and_model(ask, server, tmp_path):
    assert (
        ask({"rain": [], "sea": []}).ratings == ask({"rain": [500] * 9, "sea": [500] * 9}).ratings
    )
    assert len(Stub.requests) == 2
    sheets = [sheet("rain"), sheet("rain", "hi"), sheet("wind")]
    judge = EndpointJudge(server, "ears")
    told = plan(sheets, Answers(tmp_path, judge))
    assert (told.clips, told.kept) == (3, 1)
    assert told.bytes == sum(len(base64.b64encode(each.wav())) for each in sheets[1:])
    other = EndpointJudge(server, "others")
    assert plan(sheets, Answers(tmp_path, other)).kept == 0
    for path in tmp_path.iterdir():
        path.write_text('{"prompt": 9')  # damaged
    assert plan(sheets, Answers(tmp_path, judge)).kept == 0
    assert len(Stub.requests) == 2  # a plan asks of nothing


def test_moods_that_pass(ask):
    moods = {
        "busy": [500, 503],
        "words": ["I like it", "{}"],
        "garbage": [b"<html>", b"{}"],
        "parts": [completion([{"type": "text", "text": ANSWER}])],
        "cut": [cut, 429],
        "nothing": [{"content": None}],
    }
    ratings = ask(moods)
    assert ratings.failures == {} and [*ratings.ratings] == [*moods]
    seeds = [
        r["seed"] for r in Stub.requests if ": words" in r["messages"][0]["content"][0]["text"]
    ]
    assert seeds == [0, 1, 2]


def test_moods_that_do_not_pass_are_counted(ask):
    moods = {
        "good": [],
        "words": ["no"] * 3,
        "busy": [500] * 3,
        "declines": [{"refusal": "I may not"}],
        "large": [413],
        "late": [late] * 3,
    }
    ratings = ask(moods, timeout=0.1)
    assert [*ratings.ratings] == ["good"]
    messages = {
        "words": "no JSON object", "busy": "answers 500: busy", "declines": "I may not",
        "large": "answers 413", "late": "no answer within 0.1 s",
    }  # fmt: skip
    assert [*ratings.failures] == [*messages]
    assert all(message in ratings.failures[name] for name, message in messages.items())


def test_a_judge_that_never_answers_stops_the_rest(ask):
    with pytest.raises(ValueError, match="the judge answers of no clip: .*answers 500"):
        ask({f"clip {n}": [500] * 9 for n in range(40)})
    assert len(Stub.requests) < 60
    with pytest.raises(ValueError, match=f"answers 401: busy .a key is read from {KEY}"):
        ask({"closed": [401]})


def test_nobody_there(tmp_path):
    judge = EndpointJudge("http://127.0.0.1:9", "ears", 1.0)
    with pytest.raises(ValueError, match="answers of no clip: http://127.0.0.1:9.*refused"):
        rate(judge, [sheet("rain")], Answers(tmp_path, judge), attempts=2, pause=0.001)


def test_refusals():
    for url, model, message in (
        ("localhost:8000", "m", "expected http://HOST/v1"),
        ("http://localhost/v1", " ", "name the model"),
    ):
        with pytest.raises(ValueError, match=message):
            load_judge(url, model)
    with pytest.raises(ValueError, match="timeout=0"):
        EndpointJudge("http://localhost/v1", "m", 0)
    assert issubclass(RefusedError, ValueError) and issubclass(TransientError, OSError)


def test_a_model_of_our_own_hears_the_clip(tmp_path):
    class Heard:
        """As `Understanding`, which other tests try; says what it was asked."""

        class model:  # noqa: N801
            sample_rate = 8000

        asked: list = []
        weights = "a"

        def checkpoint_sha256(self):
            return self.weights

        def answer(self, questions, decoding, seed):
            self.asked.append((questions[0], decoding, seed))
            return ["no answer" if seed == 0 else ANSWER]

    understanding = Heard()
    judge = UnderstandingJudge(understanding, "tiny")  # pyright: ignore
    ratings = rate(judge, [sheet("rain")], Answers(tmp_path, judge), pause=0.001)
    assert ratings.ratings == {"rain": RATINGS}
    (first, sure, _), (_, drawn, seed) = understanding.asked
    understanding.weights = "b"  # under the same name: nothing that is kept is of these
    other = UnderstandingJudge(understanding, "tiny")  # pyright: ignore
    assert (
        plan([sheet("rain")], Answers(tmp_path, judge)).kept,
        plan([sheet("rain")], Answers(tmp_path, other)).kept,
    ) == (1, 0)
    assert "Description: rain" in first.text and len(first.media[0].samples) == 400
    assert (sure.temperature, drawn.temperature, seed) == (0.0, 1.0, 1)


@pytest.mark.slow
def test_a_random_model_has_no_ratings(tmp_path):
    understanding = Understanding.load(write_checkpoint(tmp_path / "model"), param_dtype="float32")
    judge = UnderstandingJudge(understanding, "random")
    with pytest.raises(ValueError, match="the judge answers of no clip: no JSON object"):
        rate(judge, [sheet("rain")], Answers(tmp_path, judge), attempts=2)
