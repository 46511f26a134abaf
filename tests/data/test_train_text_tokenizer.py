import hypothesis
import hypothesis.strategies as st
import pytest

from audiogen_jax.caption import StructuredCaption
from data.train_text_tokenizer import SPECIAL_TOKENS, main, train, training_texts

TEXTS = ["A dog barking.", "A man says the word seven.", "Rain is falling."] * 5


@pytest.fixture(scope="module")
def tokenizer():
    return train(TEXTS, 300)


def test_special_tokens_come_first(tokenizer):
    assert [tokenizer.token_to_id(token) for token in SPECIAL_TOKENS] == list(range(9))
    assert SPECIAL_TOKENS[:3] == ("<pad>", "</s>", "<unk>")
    assert tokenizer.get_vocab_size() <= 300


def test_tags_are_single_tokens_and_the_end_is_appended(tokenizer):
    prompt = StructuredCaption("a dog", asr="seven", env="rain").format()
    ids = tokenizer.encode(prompt).ids
    assert [token for token in ids if token < 9] == [3, 5, 8, 1]
    assert ids[0] == 3 and ids[-1] == 1
    assert tokenizer.encode(" <|asr|> seven").ids == tokenizer.encode("<|asr|> seven").ids


def test_case_does_not_matter(tokenizer):
    assert tokenizer.encode("RAIN is Falling").ids == tokenizer.encode("rain is falling").ids


@hypothesis.given(st.text(max_size=40).filter(lambda text: "<" not in text))
def test_any_text_encodes_without_unknowns(tokenizer, text):
    ids = tokenizer.encode(text).ids
    assert 2 not in ids
    expected = tokenizer.normalizer.normalize_str(text)
    assert tokenizer.decode(ids).removeprefix(" ") == expected.removeprefix(" ")


def test_only_the_training_split_is_read(singles):
    texts = set(training_texts([singles]))
    assert "a dog barking" in texts
    held_out = "When a man looks for something beyond his reach"
    assert not any(text.startswith(held_out) for text in texts)


def test_command_line(singles, tmp_path, capsys):
    out = tmp_path / "tokenizer.json"
    main([str(singles), "--out", str(out), "--vocab-size", "320"])
    first = out.read_bytes()
    main([str(singles), "--out", str(out), "--vocab-size", "320"])
    assert out.read_bytes() == first
    with pytest.raises(SystemExit) as stop:
        main([str(singles), "--out", str(out), "--vocab-size", "100"])
    assert stop.value.code == 2
    assert "256 bytes + 9 special tokens" in capsys.readouterr().err
    assert out.read_bytes() == first


def test_texts_of_a_file(tmp_path, capsys):
    texts, out = tmp_path / "corpus.txt", tmp_path / "tokenizer.json"
    texts.write_text("\n".join(TEXTS))
    main(["--texts", str(texts), "--out", str(out), "--vocab-size", "300"])
    assert out.read_text() == train(TEXTS, 300).to_str(pretty=True) + "\n"
    with pytest.raises(SystemExit) as stop:
        main(["--out", str(out)])
    assert stop.value.code == 2
    assert "no texts: name manifests" in capsys.readouterr().err
