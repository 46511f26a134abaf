"""Word and character error rates of transcripts."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from audiogen_jax.evaluate.metrics.bootstrap import Interval, bootstrap
from audiogen_jax.evaluate.metrics.spoken_text import (
    spoken_text,
    without_spaces_that_say_nothing,
)


class Errors(NamedTuple):
    """Errors in the transcript of a clip.

    Attributes:
      substitutions: units heard as others.
      deletions: units not heard.
      insertions: units heard too much.
      units: words or characters that should be heard.
    """

    substitutions: int
    deletions: int
    insertions: int
    units: int

    @property
    def total(self) -> int:
        """All of the errors."""
        return self.substitutions + self.deletions + self.insertions


def transcript_errors(
    reference: str, transcript: str, unit: Literal["word", "character"] = "word"
) -> Errors:
    """Fewest edits from what should be spoken to what was heard (Levenshtein, by jiwer).

    Args:
      reference: what should be spoken; normalised by `spoken_text`, as is the transcript.
      transcript: what was heard; empty if nothing was.
      unit: "character" counts the spaces between words too, but in scripts without any, such as
        Chinese, where punctuation would leave some that no recogniser writes.

    Raises:
      ValueError: the `eval` extra is not installed.
    """
    said, heard = spoken_text(reference), spoken_text(transcript)
    if unit == "character":
        said, heard = without_spaces_that_say_nothing(said), without_spaces_that_say_nothing(heard)
    return edits(said, heard, unit)


def edits(said: str, heard: str, unit: Literal["word", "character"] = "word") -> Errors:
    """`transcript_errors` of texts as they are, words being what spaces part.

    Raises:
      ValueError: the `eval` extra is not installed.
    """
    try:
        import jiwer
    except ImportError as error:
        raise ValueError("evaluation needs jiwer: pip install 'audiogen-jax[eval]'") from error
    process = {"word": jiwer.process_words, "character": jiwer.process_characters}[unit]
    if not said.strip():  # all is inserted, and nothing is there to divide by
        return Errors(0, 0, len(heard.split() if unit == "word" else heard), 0)
    counts = process(said, heard)
    units = counts.hits + counts.substitutions + counts.deletions
    return Errors(counts.substitutions, counts.deletions, counts.insertions, units)


def error_rate(errors: Sequence[Errors], seed: int = 0) -> Interval:
    """WER or CER of some clips: all errors / all units, with its bootstrap interval over clips.

    Long clips weigh more than short ones. Above 1 if much is inserted. X-ARES and others clip
    it there and take the mean over clips: name the rule beside the number.

    Args:
      errors: of each clip, in any order.
      seed: draws the clips.

    Raises:
      ValueError: no clip should speak; or in a resample none does, as few clips of many should.
    """
    counts = np.array(sorted((each.total, each.units) for each in errors), np.float64)
    if not len(counts) or counts[:, 1].sum() == 0:
        raise ValueError(f"{len(errors)} clips, and none of them should speak: no error rate")

    def rates(rows: Int[np.ndarray, "draws n"]) -> Float[np.ndarray, " draws"]:
        wrong, units = counts[rows].sum(axis=1).T
        return np.divide(wrong, units, out=np.full(len(rows), np.nan), where=units > 0)

    return bootstrap(rates, len(counts), seed=seed, vectorized=True)
