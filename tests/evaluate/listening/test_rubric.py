"""What is asked of a judge, and which answers count."""

import json

import pytest

from audiogen_jax.evaluate.listening.rubric import AnswerError, criteria, question, read_answer

ANSWER = {"prompt": 5, "realism": 3.5, "coherence": 1}


def test_speech_is_asked_of_where_words_are_to_be_spoken():
    assert criteria("") == ("prompt", "realism", "coherence")
    assert "Words to be spoken" not in question("rain", "")
    asked = question("rain", "good day")
    assert "Description: rain\nWords to be spoken: good day" in asked and "- speech: " in asked


def test_answers():
    assert read_answer(f"Sure.\n```json\n{json.dumps(ANSWER)}\n```", "") == ANSWER
    assert read_answer(json.dumps(ANSWER | {"speech": 2}), "hi")["speech"] == 2.0


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("I cannot hear it", "no JSON object"),
        ("", "no JSON object"),
        ("[1, 2]", "no JSON object"),
        ("{" * 100_000 + "}", "no JSON object"),
        (json.dumps({"prompt": 5}), "expected ratings of prompt, realism, coherence"),
        (json.dumps(ANSWER | {"speech": 5}), "expected ratings of"),
        (json.dumps(ANSWER | {"realism": 6}), "realism is 6"),
        (json.dumps(ANSWER | {"realism": True}), "realism is True"),
        (json.dumps(ANSWER | {"realism": "5"}), "realism is '5'"),
        (json.dumps(ANSWER | {"realism": float("nan")}), "realism is nan"),
        (json.dumps(ANSWER | {"realism": None}), "realism is None"),
    ],
)
def test_no_answers(answer, message):
    with pytest.raises(AnswerError, match=message):
        read_answer(answer, "")
