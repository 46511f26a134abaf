"""Transcripts to ids of characters and of Chinese syllables, as F5-TTS reads them.

Source: Chen et al. 2024 (https://arxiv.org/abs/2410.06885), section 3.2: Latin text letter by
letter, Chinese as pinyin with the tone as a digit, each syllable after a space.
"""

import functools
import importlib
import logging
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from types import ModuleType

import numpy as np
from jaxtyping import Int

from audiogen_jax.models.omni import conditioners

_PLAIN = str.maketrans({";": ",", "“": '"', "”": '"', "‘": "'", "’": "'"})
# How jieba cuts text without Chinese: runs of these characters, each into words and what is
# between them; anything else by single characters.
_RUN = re.compile(r"([a-zA-Z0-9+#&._%\-]+)")
_WORD = re.compile(r"([a-zA-Z0-9]+(?:\.\d+)?%?)")
_ASCII_WORDS = ("AT&T", "c#", "C#", "c++", "C++", "4S", "4s")
"""Of jieba's dictionary, so that only jieba can cut texts that hold them."""


@functools.cache
def vocabulary() -> dict[str, int]:
    """Character or syllable -> its line; the first is the space, which stands for unknown ones."""
    text = resources.files(conditioners).joinpath("characters.txt").read_bytes().decode()
    return {token: line for line, token in enumerate(text.split("\r\n")[:-1])}


def transcript_ids(texts: Sequence[str], length: int) -> Int[np.ndarray, "b {length}"]:
    """What the transcript encoder reads: one above the line of each token, then 0.

    Args:
      texts: transcripts; longer ones are cut.
      length: `OmniConfig.text_length`.

    Raises:
      ValueError: a text needs the Chinese dictionaries, which are not installed.
    """
    ids, lines = np.zeros((len(texts), length), np.int32), vocabulary()
    for row, text in enumerate(texts):
        found = [lines.get(token, 0) + 1 for token in tokens(text)][:length]
        ids[row, : len(found)] = found
    return ids


def tokens(text: str) -> list[str]:
    """Characters and syllables of a transcript.

    Raises:
      ValueError: see `transcript_ids`.
    """
    result: list[str] = []
    for piece in _pieces(text.translate(_PLAIN)):
        if piece.isascii():
            if result and len(piece) > 1 and result[-1] not in " :'\"":
                result.append(" ")
            result += piece
        elif all(_bytes(character) == 3 for character in piece):
            for character, syllable in zip(piece, _syllables(piece), strict=True):
                result += [" ", syllable] if _is_chinese(character) else [syllable]
        else:
            for character in piece:
                chinese = _is_chinese(character)
                result += [" ", *_syllables(character)] if chinese else [character]
    return result


def _pieces(text: str) -> Iterator[str]:
    """The text cut into words."""
    if not text.isascii() or any(word in text for word in _ASCII_WORDS):
        yield from _dictionary("jieba").cut(text)
        return
    for run in filter(None, _RUN.split(text)):
        whole = len(run) > 1 and _RUN.fullmatch(run)
        yield from filter(None, _WORD.split(run)) if whole else run


def _syllables(piece: str) -> list[str]:
    """A pinyin for each Chinese character, by the words around it; others as they are."""
    pypinyin = _dictionary("pypinyin")
    return pypinyin.lazy_pinyin(
        piece, style=pypinyin.Style.TONE3, tone_sandhi=True, errors=lambda others: list(others)
    )


@functools.cache
def _dictionary(name: str) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"this transcript is cut and read by {error.name}, which is not installed: "
            "pip install 'audiogen-jax[zh]'"
        ) from None
    if name == "jieba":
        module.setLogLevel(logging.ERROR)  # it would report where it keeps its dictionary
    return module


def _is_chinese(character: str) -> bool:
    return "\u3100" <= character <= "\u9fff"


def _bytes(character: str) -> int:
    return len(character.encode())
