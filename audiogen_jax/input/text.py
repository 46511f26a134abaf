"""Text to token ids with any HF fast tokenizer file, padded to a fixed length."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import tokenizers
from jaxtyping import Bool, Int32

PAD = "<pad>"


class TextTokenizer:
    """Wraps a `tokenizer.json`; holds no padding or truncation state, so threads may share it."""

    def __init__(self, tokenizer: tokenizers.Tokenizer):
        pad_id = tokenizer.token_to_id(PAD)
        if pad_id is None:
            raise ValueError(f"the text tokenizer has no {PAD} token: train it with one")
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self.pad_id: int = pad_id

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Loads a `tokenizer.json`.

        Raises:
          FileNotFoundError: no such file.
          ValueError: not a tokenizer file, or one without a `<pad>` token.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"no text tokenizer at {path}")
        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            raise ValueError(f"{path} is not a tokenizer.json: {error}") from error
        return cls(tokenizer)

    @property
    def vocab_size(self) -> int:
        """Number of token ids, added tokens included."""
        return self._tokenizer.get_vocab_size(with_added_tokens=True)

    def encode_batch(
        self, texts: Sequence[str], max_length: int
    ) -> tuple[Int32[np.ndarray, "b l"], Bool[np.ndarray, "b l"]]:
        """Encodes texts to exactly `max_length` ids each.

        Args:
          texts: b strings.
          max_length: a longer text loses its middle end: its last id (end of text) is kept.

        Returns:
          Token ids int32 [b l] padded with `pad_id`, and the mask of real tokens bool [b l].

        Raises:
          ValueError: `max_length` is below 1.
        """
        if max_length < 1:
            raise ValueError(f"max_length={max_length} must be at least 1")
        ids = np.full((len(texts), max_length), self.pad_id, np.int32)
        mask = np.zeros((len(texts), max_length), bool)
        for row, encoding in enumerate(self._tokenizer.encode_batch(list(texts))):
            tokens = encoding.ids
            if len(tokens) > max_length:
                tokens = [*tokens[: max_length - 1], tokens[-1]]
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = True
        return ids, mask
