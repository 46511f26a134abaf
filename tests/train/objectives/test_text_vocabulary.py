"""The text tokenizer of a training against its model and the base that it goes on from."""

import json
import shutil
from pathlib import Path

import pytest
import tokenizers

from audiogen_jax.train.objectives.text_vocabulary import check_vocabulary


def test_ids_beyond_the_model(tiny_checkpoint):
    path = tiny_checkpoint / "tokenizer.json"
    size = tokenizers.Tokenizer.from_file(str(path)).get_vocab_size()
    check_vocabulary(path, size, None)
    with pytest.raises(ValueError, match=f"tokenizer.json' has {size} token ids, the text encoder"):
        check_vocabulary(path, size - 1, None)


def test_the_base_has_another(tiny_checkpoint, tmp_path: Path):
    base, same, other = (tmp_path / f"{name}.json" for name in ("base", "same", "other"))
    shutil.copy(tiny_checkpoint / "tokenizer.json", base)
    # As transformers saves it again.
    tokenizer = tokenizers.Tokenizer.from_file(str(base))
    tokenizer.enable_truncation(100)
    tokenizer.enable_padding(length=100)
    tokenizer.save(str(same), pretty=False)
    assert same.read_bytes() != base.read_bytes()
    check_vocabulary(same, 300, base)
    rules = json.loads(base.read_text())
    vocabulary = rules["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    other.write_text(json.dumps(rules))
    with pytest.raises(
        ValueError, match=r"is not the text tokenizer of the model to go on from: .*"
    ):
        check_vocabulary(other, 300, base)
