"""Judges that hear a clip, read a question and answer in words."""

import io
from collections.abc import Mapping
from typing import Protocol

from audiogen_jax.files.audio import read_audio
from audiogen_jax.infer.understand import Question, Understanding
from audiogen_jax.models.language_model import Decoding, Recording


class ListeningJudge(Protocol):
    """What answers questions about a clip."""

    @property
    def identity(self) -> Mapping[str, object]:
        """What has to be known of it; part of the name under which answers are kept."""
        ...

    @property
    def at_once(self) -> int:
        """Clips that it may be asked of at the same time."""
        ...

    def ask(self, text: str, wav: bytes, attempt: int) -> str:
        """Asks of a clip.

        Args:
          text: the question.
          wav: the clip, 16-bit WAV.
          attempt: 0, or how often it was asked before; may be what an answer is drawn with.

        Raises:
          TransientError: ask again later.
          RefusedError: it does not answer of this clip.
          ValueError: it answers of none, as of a wrong address or key.
        """
        ...


class UnderstandingJudge:
    """A model of `audiogen understand` as the judge."""

    at_once = 1

    def __init__(self, understanding: Understanding, name: str):
        """Nothing is asked yet.

        Args:
          understanding: the model.
          name: of its checkpoint.
        """
        self._understanding = understanding
        self.identity: Mapping[str, object] = {
            "judge": "understand",
            "model": name,
            "checkpoint_sha256": understanding.checkpoint_sha256(),
        }

    def ask(self, text: str, wav: bytes, attempt: int) -> str:
        """See `ListeningJudge.ask`; the first answer is the likeliest, others are drawn."""
        samples = read_audio(io.BytesIO(wav), self._understanding.model.sample_rate).samples[:, 0]
        decoding = Decoding(max_tokens=128, temperature=1.0 if attempt else 0.0)
        question = Question(text, (Recording(samples),))
        return self._understanding.answer([question], decoding, seed=attempt)[0]
