"""A tokenizer.json of others takes bounded time and memory, or is refused in one line."""

import base64
import json

import numpy as np
import pytest
import tokenizers

from audiogen_jax.input.text import TextTokenizer, _sentinels
from audiogen_jax.input.tokenizer_limits import check_limits

MODEL = {"type": "WordLevel", "vocab": {"<pad>": 0, "</s>": 1, "a": 2}, "unk_token": "</s>"}


def replace(pattern: object, content: str = "") -> dict:
    return {"type": "Replace", "pattern": pattern, "content": content}


def chain(*parts: dict) -> dict:
    return {"normalizer": {"type": "Sequence", "normalizers": [*parts]}}


def table(*replacements: bytes) -> dict:
    blob = (8).to_bytes(4, "little") + bytes(8) + b"\0".join(replacements) + b"\0"
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode()}


@pytest.mark.parametrize(
    "contents",
    [
        {},
        {"normalizer": None},
        # of T5 and mT5
        chain(table(b"a", b"\xef\xb7\xba" * 11), replace({"Regex": " {2,}"}, "\u2581")),
        chain({"type": "NFKC"}, {"type": "Lowercase"}, replace({"String": "``"}, '"')),
        {
            "pre_tokenizer": {
                "type": "Metaspace",
                "replacement": "\u2581",
                "prepend_scheme": "always",
            }
        },
        {"pre_tokenizer": {"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated"}},
        {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": r"\s+"}, "behavior": "Removed"}},
    ],
)
def test_what_tokenizers_are_made_of(contents):
    check_limits({"model": MODEL, **contents})


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (chain(*[replace({"String": "a"}, "aa")] * 11), "make up to 2.05e.03 characters of one"),
        (chain(replace({"String": "a"}, "a" * 2000)), "make up to 2e.03 characters of one"),
        (chain(replace({"Regex": "a?"}, "b" * 2000)), "characters of one"),
        (chain(table(b"a" * 40), table(b"b" * 40)), "make up to 1.6e.03 characters"),
        (chain(chain(*[table(b"aaaa")] * 6)["normalizer"]), "characters of one"),
        (chain(replace({"Regex": "(a|a)*b"})), "has no bound"),
        (chain(replace({"Regex": "(a+)+b"})), "has no bound"),
        (chain(replace({"Regex": ".*.*.*b"})), "has no bound"),
        (chain(replace({"Regex": "a{1,100000}"})), "has no bound"),
        ({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(x+x+)+y"}}}, "has no bound"),
        (chain(replace("a")), "no pattern of one String or Regex"),
        (chain({"type": "Novel"}), "normalizer 'Novel' is not known"),
        ({"pre_tokenizer": {"type": "Novel"}}, "pre_tokenizer 'Novel' is not known"),
        ({"normalizer": 3}, "normalizer must be an object"),
        (chain({"type": "Precompiled", "precompiled_charsmap": "?"}), "table is damaged"),
        (chain({"type": "Precompiled", "precompiled_charsmap": "////fw=="}), "table is cut short"),
        ({"model": MODEL | {"vocab": {"a": 2**31}}}, "token id 2147483648, but the text encoder"),
        ({"model": MODEL | {"vocab": {"a": -1}}}, "token id -1"),
        ({"model": MODEL | {"vocab": {"a": "1"}}}, "token id 1"),
        ({"model": MODEL | {"vocab": {"a": 1.5}}}, "token id 1.5"),
        ({"added_tokens": [{"id": 10**300, "content": "x"}]}, "token id 10000000"),
        ({"added_tokens": [3]}, "token id None"),
        ({"post_processor": {"special_tokens": {"x": {"ids": [2**32]}}}}, "token id 4294967296"),
        (
            {"post_processor": {"processors": [{"special_tokens": {"x": {"ids": [2**32]}}}]}},
            "token id 4294967296",
        ),
        ({"model": MODEL | {"type": "BPE", "dropout": 0.1}}, "dropout=0.1: other ids at each call"),
    ],
)
def test_what_is_refused(tmp_path, contents, reason):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({"model": MODEL, **contents}))
    with pytest.raises(ValueError, match=reason) as caught:
        TextTokenizer.from_file(path)
    assert str(path) in str(caught.value) and len(str(caught.value)) < 600


def test_nested_too_deep(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"normalizer": ' + "[" * 10_000 + "]" * 10_000 + "}")
    with pytest.raises(ValueError, match="tokenizer.json: JSON that is nested too deep"):
        TextTokenizer.from_file(tmp_path / "tokenizer.json")


def test_ids_are_those_of_the_text_encoder(tmp_path):
    """But for special tokens, which the generator embeds itself."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(MODEL["vocab"], "</s>"))
    tokenizer.add_special_tokens(["<|x|>"])
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    with pytest.raises(ValueError, match="token id 3, but the text encoder has ids 0 to 2"):
        TextTokenizer.with_special_tokens(path, (), 3)
    assert TextTokenizer.with_special_tokens(path, ("<|x|>",), 3)[1] == (3,)
    assert TextTokenizer.with_special_tokens(path, (), 4)[0].vocab_size == 4


def test_a_panic_of_the_library_is_an_error_of_the_file(tmp_path):
    """Of a table whose trie points beyond its end."""
    path = tmp_path / "tokenizer.json"
    contents = {"model": MODEL, "version": "1.0", "truncation": None, "padding": None}
    contents |= {"added_tokens": [], "post_processor": None, "decoder": None, "pre_tokenizer": None}
    path.write_text(json.dumps(contents | {"normalizer": table(b"x")}))
    with pytest.raises(ValueError, match="tokenizer"):
        TextTokenizer.from_file(path).encode_batch(["a\u00e9b"] * 3, 8)


def test_a_name_that_stands_twice_is_read_once(tmp_path):
    """What is checked is what the library gets: readers differ in which value counts."""
    path = tmp_path / "tokenizer.json"
    tokenizers.Tokenizer(tokenizers.models.WordLevel(MODEL["vocab"], "</s>")).save(str(path))
    evil = json.dumps(chain(replace({"String": "a"}, "</s>" * 999))["normalizer"])
    text = path.read_text()
    expected = TextTokenizer.from_file(path).encode_batch(["a"], 4)
    path.write_text(text.replace("{", f'{{"normalizer": {evil},', 1))
    read = TextTokenizer.from_file(path).encode_batch(["a"], 4)
    np.testing.assert_array_equal(read.ids, expected.ids)
    np.testing.assert_array_equal(read.mask, expected.mask)


@pytest.mark.parametrize("count", [10**12, -1, True, 1.5, "100"])
def test_sentinels_of_a_sentencepiece_model_are_a_count(tmp_path, count):
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"extra_ids": count}))
    with pytest.raises(ValueError, match="extra_ids=.* must be a count of tokens"):
        _sentinels(tmp_path)
