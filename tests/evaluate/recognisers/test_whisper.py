"""Whisper's decoding on graphs that say what follows a token: prompts, ends, what is suppressed."""

import numpy as np
import pytest

from audiogen_jax.evaluate.recognisers.transcriber import transcriber
from tests.evaluate.embedders.graphs import save_whisper

WORDS = ["?", "<start>", "<end>", "<en>", "<de>", "<write>", "hello", "world", "noise", "<no>", "0"]
FOLLOWS = {
    "<start>": ["world"],
    "<write>": ["world"],
    "<no>": ["0", "<end>", "noise", "hello"],
    "hello": ["world"],
    "world": ["<end>"],
}
GENERATION = {
    "decoder_start_token_id": 1, "eos_token_id": 2, "lang_to_id": {"<|en|>": 3, "<|de|>": 4},
    "task_to_id": {"transcribe": 5}, "no_timestamps_token_id": 9, "max_length": 20,
    "suppress_tokens": [8], "begin_suppress_tokens": [2],
}  # fmt: skip
TONE = 0.1 * np.sin(np.arange(16000) / 10)


def test_greedy_text(tmp_path):
    listens = transcriber(f"whisper={save_whisper(tmp_path, FOLLOWS, WORDS, **GENERATION)}")
    minute = np.tile(TONE, 31)
    texts = listens.transcribe([TONE, minute], 16000)
    assert texts == ["hello world", "hello world hello world"]
    assert listens.identity.layer == "greedy text, en"
    assert transcriber(f"whisper={tmp_path}:de").identity.layer == "greedy text, de"
    with pytest.raises(ValueError, match="language 'xx': this Whisper knows en, de"):
        transcriber(f"whisper={tmp_path}:xx")


def test_an_endless_text_ends(tmp_path):
    follows = FOLLOWS | {"world": ["hello"]}
    listens = transcriber(f"whisper={save_whisper(tmp_path, follows, WORDS, **GENERATION)}")
    assert listens.transcribe([TONE], 16000) == [" ".join(["hello", "world"] * 5)]


def test_what_is_missing(tmp_path):
    generation = {key: value for key, value in GENERATION.items() if key != "eos_token_id"}
    with pytest.raises(ValueError, match="'eos_token_id' is missing in"):
        transcriber(f"whisper={save_whisper(tmp_path, FOLLOWS, WORDS, **generation)}")
    with pytest.raises(ValueError, match="no transcriber 'sphinx': expected whisper=FOLDER"):
        transcriber("sphinx")
