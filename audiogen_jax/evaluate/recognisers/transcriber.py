"""What writes down speech, and transcribers by name."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.embedders.embedder import Identity


@runtime_checkable
class Transcriber(Protocol):
    """A recogniser of any words."""

    @property
    def identity(self) -> Identity:
        """All that decides the text of a clip."""
        ...

    def transcribe(self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int) -> list[str]:
        """The words that are spoken in mono clips; none depends on the others.

        Args:
          clips: float [n] each.
          sample_rate: of the clips, Hz.
        """
        ...


def transcriber(name: str) -> Transcriber:
    """A transcriber, its weights found or refused.

    Args:
      name: "whisper=FOLDER", see `WhisperTranscriber`; after a colon a language other than "en",
        as in "whisper=onnx-community/whisper-base:de".

    Raises:
      ValueError: there is none of that name, or its weights are not here; says how to get them.
      OSError: a file is missing or cannot be read.
    """
    from audiogen_jax.evaluate.recognisers.whisper import WhisperTranscriber

    kind, _, source = name.partition("=")
    if kind != "whisper" or not source:
        raise ValueError(
            f"no transcriber {name!r}: expected whisper=FOLDER, an export to ONNX such as that of "
            "hub repository onnx-community/whisper-base; PocketSphinx knows single words alone"
        )
    folder, colon, language = source.rpartition(":")
    if not colon or "/" in language:  # a whole URL, a whole path
        folder, language = source, "en"
    return WhisperTranscriber(folder, language)
