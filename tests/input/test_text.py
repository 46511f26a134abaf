import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import sentencepiece
import tokenizers

from audiogen_jax.input import mixture
from audiogen_jax.input.mixture import collate_condition
from audiogen_jax.input.text import TextTokenizer
from audiogen_jax.timeline import Event


@pytest.fixture
def tokenizer(manifests):
    return TextTokenizer.from_file(manifests / "tokenizer.json")


def test_pads_and_masks(tokenizer):
    ids, mask, *_ = tokenizer.encode_batch(["<|caption|> rain", ""], 12)
    assert ids.shape == mask.shape == (2, 12)
    assert (ids.dtype, mask.dtype) == (np.int32, bool)
    assert ids[0, 0] == 3
    for row in range(2):
        count = mask[row].sum()
        assert mask[row, :count].all() and ids[row, count - 1] == 1
        assert (ids[row, count:] == tokenizer.pad_id).all()


def test_long_text_keeps_its_end_token(tokenizer):
    ids, mask, *_ = tokenizer.encode_batch(["a dog barking " * 50], 10)
    assert mask.all() and ids[0, -1] == 1
    whole = tokenizer.encode_batch(["a dog barking " * 50], 400).ids
    np.testing.assert_array_equal(ids[0, :9], whole[0, :9])


def test_captions_longer_than_a_training_reads_are_told_once(tokenizer):
    def collate(*texts):
        rows = [
            SimpleNamespace(text=t, drop_condition=False, clip_id="", timeline=None) for t in texts
        ]
        return collate_condition(rows, tokenizer, 10)

    count = int(tokenizer.encode_batch(["a dog barking " * 9], 400).mask.sum())
    assert tokenizer.are_cut(["a dog barking " * 9, "rain"], count) == [False, False]
    assert tokenizer.are_cut(["a dog barking " * 9, "rain"], count - 1) == [True, False]
    mixture._tell_of_cut.cache_clear()
    with warnings.catch_warnings(record=True, action="always") as told:
        for _ in range(3):
            collate("rain", "a dog barking " * 50)
    (once,) = told
    assert "captions of more than 10 tokens" in str(once.message)
    with warnings.catch_warnings(action="error"):
        collate("rain", "wind")


def test_batches_do_not_matter(tokenizer):
    together = tokenizer.encode_batch(["rain", "a dog barking"], 16).ids
    alone = tokenizer.encode_batch(["rain"], 16).ids
    np.testing.assert_array_equal(together[0], alone[0])


def test_views_that_do_not_fit(tokenizer):
    text = "<|caption|> rain <|speech|> a man <|env|> rain"
    mask = tokenizer.encode_batch([text, "<|caption|> rain <|speech|> a man"], 100).mask
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


def test_sentencepiece_says_where_its_tokens_stand(tmp_path):
    """In characters, though it counts bytes and puts spaces and ligatures another way."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["die tür fällt zu und ein hund bellt"] * 20),
        model_prefix=str(tmp_path / "spiece"),
        vocab_size=20,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    tokenizer, _ = TextTokenizer.with_special_tokens(
        tmp_path / "spiece.model", ["<|caption|>", "<|sfx|>"]
    )
    text = "<|caption|> eine tür <|sfx|> die tür  fällt zu"
    timeline = (Event(1.0, 2.0, "sfx", "fällt"),)
    tokens = tokenizer.encode_batch([text], 60, [timeline])
    assert tokens.spans is not None
    (sounding,) = np.nonzero(tokens.spans[0, :, 1])
    model = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "spiece.model"))
    ids = [int(token) for token in tokens.ids[0, sounding]]
    assert model.decode(ids) == "fällt"
    assert tokens.ids[0, tokens.mask[0]].tolist() == [
        tokenizer.vocab_size - 2,
        *model.encode(" eine tür "),
        tokenizer.vocab_size - 1,
        *model.encode(" die tür  fällt zu"),
        model.eos_id(),
    ]


def test_timelines_become_spans_of_tokens(tokenizer):
    text = "<|caption|> a dog <|asr|> seven two <|sfx|> a dog barking"
    timeline = (Event(0.5, 1.0, "asr", "seven"), Event(2.0, 3.0, "sfx"))
    tokens = tokenizer.encode_batch([text, "rain"], 60, [timeline, ()])
    whole = tokenizer.encode_batch([text, "rain"], 60)
    assert whole.spans is None
    np.testing.assert_array_equal(tokens.ids, whole.ids)
    spans = tokens.spans
    assert spans.shape == (2, 60, 2) and not spans[1].any()
    assert not spans[0, tokens.mask[0]][-1].any()  # the end of text
    spoken = np.flatnonzero(spans[0, :, 0] == 0.5)
    (first,) = spoken  # tokens of a word share its time out
    said = [i for i in range(60) if 0.5 <= spans[0, i, 0] < 1.0]
    assert said == list(range(first, first + len(said)))
    assert spans[0, said[-1], 1] == 1.0
    sounding = np.flatnonzero(spans[0, :, 0] == 2.0)
    assert sounding[0] > said[-1] and (spans[0, sounding, 1] == 3.0).all()
