"""Byte-pair tokenizers of Qwen2 checkpoints: their vocabulary and merges, the known rules.

Only data is read of the files, in either form that releases have: `vocab.json` with `merges.txt`,
or `tokenizer.json`. The rules that go with them (https://arxiv.org/abs/2407.10671, section 2.1) are
here, so that no pattern of a file is run.
"""

import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers

from audiogen_jax.files.content_hashes import read_checked
from audiogen_jax.files.json_object import object_of
from audiogen_jax.files.jsonl import Row
from audiogen_jax.input.text import FAST, SETTINGS
from audiogen_jax.input.tokenizer_limits import beyond

VOCABULARY, MERGES, ADDED = "vocab.json", "merges.txt", "added_tokens.json"
FILES = (FAST, VOCABULARY, MERGES, ADDED, SETTINGS)
"""What a tokenizer may consist of."""
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class BytePairTokenizer:
    """Text to ids and back; special tokens in a text are plain characters."""

    def __init__(self, folder: str | Path, vocab_size: int):
        """Reads the files of a checkpoint.

        Args:
          folder: of the checkpoint.
          vocab_size: ids that the model has.

        Raises:
          ValueError: files are missing or damaged, or ids are beyond the model's.
        """
        self._folder = folder = Path(folder)
        if (folder / VOCABULARY).is_file() and (folder / MERGES).is_file():
            vocabulary = object_of(read_checked(folder / VOCABULARY), folder / VOCABULARY)
            lines = read_checked(folder / MERGES).decode().splitlines()
            merges = [line.split(" ") for line in lines if line and not line.startswith("#version")]
        elif (folder / FAST).is_file():
            model = _fast(folder).get("model")
            model = model if isinstance(model, Mapping) else {}
            vocabulary = model.get("vocab")
            merges = [m.split(" ") if isinstance(m, str) else m for m in model.get("merges") or ()]
        else:
            raise ValueError(
                f"no text tokenizer in {folder}: expected {VOCABULARY} and {MERGES}, or {FAST}"
            )
        special = _added_tokens(folder)
        if not isinstance(vocabulary, Mapping):
            raise ValueError(f"{folder / FAST} has no vocabulary of byte pairs")
        for number in (*vocabulary.values(), *special.values()):
            if type(number) is not int or not 0 <= number < vocab_size:
                raise ValueError(f"{folder}: {beyond(number, vocab_size)}")
        try:
            self._tokenizer = _build(vocabulary, merges, special)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # the library raises plain Exception, and its panics
            raise ValueError(f"the text tokenizer of {folder} is damaged: {error}") from error

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""
        try:
            return self._tokenizer.encode(text).ids
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            raise ValueError(
                f"the text tokenizer cannot read {reprlib.repr(text)}: {error}"
            ) from error

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without special tokens."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=True)

    def special(self, name: str) -> int:
        """The id of a special token.

        Raises:
          ValueError: there is none.
        """
        number = self._tokenizer.token_to_id(name)
        if number is None:
            raise ValueError(f"the text tokenizer of {self._folder} has no token {name!r}")
        return number


def _fast(folder: Path) -> Row:
    return object_of(read_checked(folder / FAST), folder / FAST)


def _added_tokens(folder: Path) -> dict[str, int]:
    """Special tokens, wherever the files of a release say them."""
    added: dict[str, int] = {}
    if (folder / ADDED).is_file():
        added |= object_of(read_checked(folder / ADDED), folder / ADDED)  # pyright: ignore
    if (folder / SETTINGS).is_file():
        settings = object_of(read_checked(folder / SETTINGS), folder / SETTINGS)
        table = settings.get("added_tokens_decoder") or {}
        if not isinstance(table, Mapping):
            raise ValueError(f"{folder / SETTINGS}: added_tokens_decoder is no JSON object")
        for number, token in table.items():
            if number.isdecimal() and isinstance(token, Mapping):
                added[str(token.get("content"))] = int(number)
    if (folder / FAST).is_file():
        for token in (
            object_of(read_checked(folder / FAST), folder / FAST).get("added_tokens") or ()
        ):
            if isinstance(token, Mapping):
                added[str(token.get("content"))] = token.get("id")  # pyright: ignore
    return added


def _build(
    vocabulary: Mapping[str, int], merges: Sequence[Sequence[str]], special: Mapping[str, int]
) -> tokenizers.Tokenizer:
    everything = {**vocabulary, **special}
    model = models.BPE(vocab=everything, merges=[(first, second) for first, second in merges])
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    # In the vocabulary already, so that they keep their ids.
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in special])
    tokenizer.encode_special_tokens = True
    return tokenizer
