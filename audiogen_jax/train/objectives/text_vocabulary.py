"""Token ids mean in a training what they meant to its text encoder."""

import json
from pathlib import Path

from audiogen_jax.checkpoints.config_file import read_config
from audiogen_jax.checkpoints.locate import find_checkpoint
from audiogen_jax.files.fingerprint import sha256
from audiogen_jax.files.remote import local_copy
from audiogen_jax.input.text import TextTokenizer, find_text_tokenizer
from audiogen_jax.train.objectives.flow_matching_config import FlowMatchingConfig

PROBES = (
    "<|caption|> A dog barks twice in the rain, then 1,500 people cheer! <|sfx|> dog barking",
    "<|speech|> “Where's the café?” <|asr|> ich weiß es nicht 我不知道 <|music|> jazz <|env|> hall",
)
"""Texts by which files of different kinds are compared."""
_SETTINGS = ("padding", "truncation", "version")
"""Of a tokenizer.json, what says nothing of ids."""


def check_text_tokenizer(config: FlowMatchingConfig, vocab_size: int) -> None:
    """Compares the text tokenizer of a training with its model, and with what it goes on from.

    Args:
      config: with a text tokenizer.
      vocab_size: of the model.

    Raises:
      ValueError: see `check_vocabulary`.
    """
    sources = (source for source in (config.text_encoder, config.init) if source is not None)
    base = next(filter(None, map(base_text_tokenizer, sources)), None)
    assert config.data.text_tokenizer is not None
    check_vocabulary(local_copy(config.data.text_tokenizer), vocab_size, base)


def check_vocabulary(path: Path, vocab_size: int, base: Path | None) -> None:
    """Checks the text tokenizer of a training before its first step.

    Args:
      path: of its file.
      vocab_size: of the model, whose ids are below it.
      base: the file of the checkpoint that the text encoder comes from; None: it starts anew.

    Raises:
      ValueError: ids reach beyond the model, or mean other texts than to the base.
    """
    tokenizer = TextTokenizer.from_file(path)
    if tokenizer.vocab_size > vocab_size:
        raise ValueError(
            f"data.text_tokenizer={str(path)!r} has {tokenizer.vocab_size} token ids, the text "
            f"encoder {vocab_size}: give the tokenizer that it was trained with"
        )
    if base is not None and not _is_same(path, base):
        raise ValueError(
            f"data.text_tokenizer={str(path)!r} is not the text tokenizer of the model to go on "
            f"from: token ids would mean other words. Give {str(base)!r}"
        )


def base_text_tokenizer(source: str) -> Path | None:
    """The file of the text tokenizer of a generator or a text encoder; None if it has none.

    Args:
      source: see `find_checkpoint`.
    """
    folder = find_checkpoint(source)
    encoder = str(read_config(folder).get("text_encoder_name", "text_encoder"))
    try:
        return find_text_tokenizer(folder, folder / encoder)
    except ValueError:
        return None


def _is_same(path: Path, base: Path) -> bool:
    if sha256(path) == sha256(base):
        return True
    if path.suffix == base.suffix:
        return path.suffix == ".json" and _rules(path) == _rules(base)
    first, second = (
        TextTokenizer.from_file(each).encode_batch(PROBES, 512) for each in (path, base)
    )
    return bool((first.ids == second.ids).all() and (first.mask == second.mask).all())


def _rules(path: Path) -> dict[str, object]:
    rules = json.loads(path.read_text(encoding="utf-8"))
    return {name: value for name, value in rules.items() if name not in _SETTINGS}
