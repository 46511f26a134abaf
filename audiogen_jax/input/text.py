"""Text to token ids with the tokenizer files of the Hugging Face hub, padded to a fixed length."""

import dataclasses
import json
import re
import reprlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
import sentencepiece
import tokenizers
from sentencepiece.sentencepiece_pb2 import SentencePieceText  # pyright: ignore

from audiogen_jax.caption import VIEWS, StructuredCaption
from audiogen_jax.files.content_hashes import check_contents, read_checked
from audiogen_jax.files.json_object import object_of
from audiogen_jax.files.remote import local_copy
from audiogen_jax.input.token_spans import token_spans
from audiogen_jax.input.tokenizer_limits import MOST_IDS, beyond, check_limits
from audiogen_jax.timeline import Timeline
from audiogen_jax.types import Tokens

PAD = "<pad>"
FAST = "tokenizer.json"
SENTENCEPIECE = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
SETTINGS = "tokenizer_config.json"
Encoding: TypeAlias = tuple[Sequence[int], Sequence[tuple[int, int]]]
"""Ids of the tokens of a text, and where the characters of each begin and end in it."""
_SENTINELS = 100  # ids that T5 tokenizers add to their model's, unless their settings say otherwise


class TextTokenizer:
    """Texts to ids; holds no padding or truncation state, so threads may share it.

    Attributes:
      pad_id: id of `<pad>`.
      vocab_size: number of token ids, added tokens included.
    """

    def __init__(self, encode: Callable[[list[str]], list[Encoding]], pad_id: int, vocab_size: int):
        """Takes what reads a vocabulary.

        Args:
          encode: texts to tokens that end in the end of text.
          pad_id: see the attributes.
          vocab_size: see the attributes.
        """
        self._encode = encode
        self.pad_id = pad_id
        self.vocab_size = vocab_size

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Loads a `tokenizer.json` or a sentencepiece `.model`.

        Raises:
          FileNotFoundError: no such file.
          ValueError: not a tokenizer file, or one without a `<pad>` token.
        """
        return cls.with_special_tokens(local_copy(path), ())[0]

    @classmethod
    def with_special_tokens(
        cls, path: Path, special_tokens: Sequence[str], vocab_size: int | None = None
    ) -> tuple[Self, tuple[int, ...]]:
        """Loads a tokenizer file and appends tokens to its vocabulary.

        Args:
          path: `tokenizer.json` or a sentencepiece `.model`.
          special_tokens: the tokens.
          vocab_size: of the text encoder that reads the other ids, if that is known.

        Returns:
          The tokenizer and the ids of the special tokens.

        Raises:
          FileNotFoundError: no such file.
          ValueError: not a tokenizer file, one without a `<pad>` token, one whose ids the text
            encoder does not have, or one that may take any time or memory (`tokenizer_limits`).
        """
        if not path.is_file():
            raise FileNotFoundError(f"no text tokenizer at {path}")
        if path.suffix == ".model":
            check_contents(path.parent, [path.name])
            return cls._from_sentencepiece(path, special_tokens, vocab_size)
        contents = object_of(read_checked(path), path)
        try:
            check_limits(contents, vocab_size, special_tokens)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        try:  # with what was checked: of a name that stands twice, others may read the other value
            tokenizer = tokenizers.Tokenizer.from_str(json.dumps(contents))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # the library raises plain Exception, and its panics
            raise ValueError(f"{path} is not a {FAST}: {error}") from error
        if special_tokens:
            tokenizer.add_special_tokens(list(special_tokens))
        vocabulary = tokenizer.get_vocab()
        return cls.from_fast(tokenizer), tuple(vocabulary[token] for token in special_tokens)

    @classmethod
    def from_fast(cls, tokenizer: tokenizers.Tokenizer) -> Self:
        """Wraps a tokenizer at hand.

        Raises:
          ValueError: it has no `<pad>` token.
        """
        pad_id = tokenizer.token_to_id(PAD)
        if pad_id is None:
            raise ValueError(f"the text tokenizer has no {PAD} token: train it with one")
        tokenizer.no_padding()
        tokenizer.no_truncation()

        def encode(texts: list[str]) -> list[Encoding]:
            try:
                return [
                    (encoding.ids, encoding.offsets) for encoding in tokenizer.encode_batch(texts)
                ]
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # panics of the library too, of damaged tables
                raise ValueError(
                    f"the text tokenizer cannot read {reprlib.repr(texts)}: {error}"
                ) from error

        return cls(encode, pad_id, tokenizer.get_vocab_size(with_added_tokens=True))

    @classmethod
    def _from_sentencepiece(
        cls, path: Path, special_tokens: Sequence[str], vocab_size: int | None
    ) -> tuple[Self, tuple[int, ...]]:
        try:
            model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{path} is not a sentencepiece model: {error}") from error
        if model.pad_id() < 0 or model.eos_id() < 0:
            raise ValueError(f"{path} has no {PAD} or no end of text: not the model of a T5")
        # Sentinels may lie beyond: no text is encoded as one.
        if vocab_size is not None and model.vocab_size() > vocab_size:
            raise ValueError(f"{path}: {beyond(model.vocab_size() - 1, vocab_size)}")
        first_id = model.vocab_size() + _sentinels(path.parent)
        ids = {token: first_id + i for i, token in enumerate(special_tokens)}
        longest_first = sorted(map(re.escape, ids), key=len, reverse=True)
        special = re.compile(f"({'|'.join(longest_first)})") if ids else None

        def encode(texts: list[str]) -> list[Encoding]:
            return [encode_text(text) for text in texts]

        def encode_text(text: str) -> Encoding:
            tokens, offsets, start = [], [], 0
            for piece in special.split(text) if special else [text]:
                if piece in ids:
                    tokens.append(ids[piece])
                    offsets.append((start, start + len(piece)))
                else:
                    for token, first, last in _offsets(model, piece):
                        tokens.append(token)
                        offsets.append((start + first, start + last))
                start += len(piece)
            return [*tokens, model.eos_id()], [*offsets, (start, start)]

        return cls(encode, model.pad_id(), first_id + len(ids)), tuple(ids.values())

    def encode_batch(
        self,
        texts: Sequence[str],
        max_length: int,
        timelines: Sequence[Timeline] | None = None,
    ) -> Tokens:
        """Encodes texts to exactly `max_length` ids each.

        Args:
          texts: b strings.
          max_length: a longer text loses its middle end: its last id (end of text) is kept.
          timelines: what sounds when in each; None: no spans.

        Returns:
          Ids int32 [b l] padded with `pad_id`, the mask of real tokens bool [b l], and with
          timelines the seconds at which each token sounds, see `token_spans`.

        Raises:
          ValueError: `max_length` is below 1.
        """
        if max_length < 1:
            raise ValueError(f"max_length={max_length} must be at least 1")
        ids = np.full((len(texts), max_length), self.pad_id, np.int32)
        mask = np.zeros((len(texts), max_length), bool)
        spans = None if timelines is None else np.zeros((len(texts), max_length, 2), np.float32)
        for row, (tokens, offsets) in enumerate(self._encode(list(texts))):
            if len(tokens) > max_length:
                tokens = [*tokens[: max_length - 1], tokens[-1]]
                offsets = [*offsets[: max_length - 1], offsets[-1]]
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = True
            if spans is not None and timelines is not None:
                spans[row], _ = token_spans(texts[row], offsets, timelines[row], max_length)
        return Tokens(ids, mask, spans)

    def are_cut(self, texts: Sequence[str], max_length: int) -> list[bool]:
        """Which texts have more ids than `encode_batch` gives."""
        return [len(tokens) > max_length for tokens, _ in self._encode(list(texts))]

    def lost_views(self, text: str, max_length: int) -> tuple[str, ...]:
        """The views of a tagged string that `encode_batch` cuts off, wholly or in part.

        Args:
          text: of a caption, as `StructuredCaption.format` writes it.
          max_length: see `encode_batch`.
        """
        caption = StructuredCaption.parse(text)
        views = [view for view in VIEWS if getattr(caption, view) is not None]
        beginnings = [  # up to each view, and with it
            dataclasses.replace(caption, **dict.fromkeys(views[number:])).format()
            for number in range(1, len(views) + 1)
        ]
        return tuple(
            view
            for view, (tokens, _) in zip(views, self._encode(beginnings), strict=True)
            if len(tokens) > max_length
        )


def _offsets(
    model: sentencepiece.SentencePieceProcessor, text: str
) -> Iterator[tuple[int, int, int]]:
    """Every token of a text, and where its characters begin and end: the library counts bytes."""
    parsed = SentencePieceText.FromString(model.encode(text, out_type="serialized_proto"))
    coded = text.encode()
    for token in parsed.pieces:
        first, last = (len(coded[:byte].decode()) for byte in (token.begin, token.end))
        yield token.id, first, last


def find_text_tokenizer(*folders: Path) -> Path:
    """The first tokenizer file in these folders, a fast one before a sentencepiece model.

    Raises:
      ValueError: there is none.
    """
    for folder in folders:
        for name in (FAST, *SENTENCEPIECE):
            if (folder / name).is_file():
                return folder / name
    names = ", ".join((FAST, *SENTENCEPIECE))
    raise ValueError(
        f"no text tokenizer in {' or '.join(map(str, folders))}, looked for {names}: "
        "put the one of the text encoder there, or sample from token ids with sample_latents"
    )


def copy_text_tokenizer(path: Path, folder: Path) -> list[str]:
    """Copies a tokenizer file under a name that `find_text_tokenizer` knows, with its settings.

    Args:
      path: `tokenizer.json`, under any name, or a sentencepiece `.model`.
      folder: that exists.

    Returns:
      The names of what was written.
    """
    names = {FAST if path.suffix != ".model" else SENTENCEPIECE[0]: path}
    if FAST not in names and (path.parent / SETTINGS).is_file():  # it counts the sentinels
        names[SETTINGS] = path.parent / SETTINGS
    for name, source in names.items():
        shutil.copyfile(source, folder / name)
    return [*names]


def _sentinels(folder: Path) -> int:
    """How many `<extra_id_…>` follow the vocabulary of a sentencepiece model."""
    path = folder / SETTINGS
    if not path.is_file():
        return _SENTINELS
    count = object_of(read_checked(path), path).get("extra_ids", _SENTINELS)
    if type(count) is not int or not 0 <= count < MOST_IDS:
        raise ValueError(f"{path}: extra_ids={count!r} must be a count of tokens")
    return count
