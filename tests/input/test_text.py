import numpy as np
import pytest
import tokenizers

from audiogen_jax.input.text import TextTokenizer


@pytest.fixture
def tokenizer(manifests):
    return TextTokenizer.from_file(manifests / "tokenizer.json")


def test_pads_and_masks(tokenizer):
    ids, mask = tokenizer.encode_batch(["<|caption|> rain", ""], 12)
    assert ids.shape == mask.shape == (2, 12)
    assert (ids.dtype, mask.dtype) == (np.int32, bool)
    assert ids[0, 0] == 3
    for row in range(2):
        count = mask[row].sum()
        assert mask[row, :count].all() and ids[row, count - 1] == 1
        assert (ids[row, count:] == tokenizer.pad_id).all()


def test_long_text_keeps_its_end_token(tokenizer):
    ids, mask = tokenizer.encode_batch(["a dog barking " * 50], 10)
    assert mask.all() and ids[0, -1] == 1
    whole, _ = tokenizer.encode_batch(["a dog barking " * 50], 400)
    np.testing.assert_array_equal(ids[0, :9], whole[0, :9])


def test_batches_do_not_matter(tokenizer):
    together, _ = tokenizer.encode_batch(["rain", "a dog barking"], 16)
    alone, _ = tokenizer.encode_batch(["rain"], 16)
    np.testing.assert_array_equal(together[0], alone[0])


def test_views_that_do_not_fit(tokenizer):
    text = "<|caption|> rain <|speech|> a man <|env|> rain"
    _, mask = tokenizer.encode_batch([text, "<|caption|> rain <|speech|> a man"], 100)
    whole, two = mask.sum(axis=1)
    for length in range(1, whole + 2):
        lost = tokenizer.lost_views(text, length)
        assert lost == ("caption", "speech", "env")[3 - len(lost) :]
        assert (not lost) == (length >= whole)
        assert ("speech" in lost) == (length < two)


def test_errors(tokenizer, tmp_path):
    with pytest.raises(ValueError, match="max_length=0"):
        tokenizer.encode_batch(["rain"], 0)
    with pytest.raises(FileNotFoundError, match="no text tokenizer at"):
        TextTokenizer.from_file(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="is not a tokenizer.json"):
        TextTokenizer.from_file(tmp_path / "tokenizer.json")
    with pytest.raises(ValueError, match="no <pad> token"):
        TextTokenizer.from_fast(tokenizers.Tokenizer(tokenizers.models.BPE()))
