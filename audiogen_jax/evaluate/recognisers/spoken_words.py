"""PocketSphinx: which of some words is said, by acoustic models that nobody here trained."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.recognisers.wheel_weights import NotInstalledError
from audiogen_jax.evaluate.waveforms import resample

if TYPE_CHECKING:
    import pocketsphinx

SAMPLE_RATE = 16000
"""Hz of the acoustic model."""
PEAK = 0.5
"""Clips are scaled to this peak, so that their level does not decide what is heard."""
SILENCE = 4800
"""Samples put before and behind each clip: words cut tightly are heard less often without."""
FRAME_SECONDS = 0.01
"""Of the decoder's frames."""


class UnknownWordsError(ValueError):
    """Words that the dictionary does not have."""


class HeardWord(NamedTuple):
    """A word and when it is said, seconds from the beginning of its clip.

    Attributes:
      word: of the list.
      start, end: by the decoder's alignment, whose silence may reach into the word.
    """

    word: str
    start: float
    end: float


class SpokenWords:
    """Hears one word of a closed list in each clip, or none.

    The acoustic model and the dictionary are those of the wheel, US English (Huggins-Daines et al.
    2006). A grammar of the words alone is searched, each with silence around it.

    Attributes:
      words: that can be heard, in lower case.
    """

    def __init__(self, words: Sequence[str]):
        """Loads the model.

        Args:
          words: of the dictionary.

        Raises:
          UnknownWordsError: a word without a pronunciation.
          NotInstalledError: the `eval` extra is not installed.
        """
        self.words = tuple(words)
        self._decoder = _decoder(self.words)

    def answers(self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int) -> list[str]:
        """The most probable word of every clip, "" where no word is heard.

        Args:
          clips: mono, float [n] each.
          sample_rate: of the clips, Hz.
        """
        return [heard.word if heard else "" for heard in self.hear(clips, sample_rate)]

    def hear(
        self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int
    ) -> list[HeardWord | None]:
        """The most probable word of every clip with its time, None where no word is heard.

        Args:
          clips: mono, float [n] each.
          sample_rate: of the clips, Hz.
        """
        return [self._hear(resample(clip, sample_rate, SAMPLE_RATE)) for clip in clips]

    def _hear(self, samples: Float[np.ndarray, " n"]) -> HeardWord | None:
        scale = PEAK * 32767 / max(float(np.abs(samples).max(initial=0.0)), 1e-9)
        # A decoder adapts to what it heard: begun anew, no clip depends on the one before.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        padded = np.pad(samples * scale, SILENCE)
        pcm = np.round(padded).astype(np.int16).tobytes()
        self._decoder.process_raw(pcm, no_search=False, full_utt=True)
        self._decoder.end_utt()
        if not self._decoder.hyp():
            return None
        for piece in self._decoder.seg():
            # Pronunciations beyond the first have a number: "zero(2)".
            word = piece.word.partition("(")[0]
            if word in self.words:
                start, end = (
                    (frame * FRAME_SECONDS) - SILENCE / SAMPLE_RATE
                    for frame in (piece.start_frame, piece.end_frame + 1)
                )
                return HeardWord(word, start, end)
        return None


@functools.lru_cache(maxsize=4)
def _decoder(words: tuple[str, ...]) -> "pocketsphinx.Decoder":
    try:
        import pocketsphinx
    except ImportError:
        raise NotInstalledError(
            "pocketsphinx is not installed: pip install 'audiogen-jax[eval]'"
        ) from None
    decoder = pocketsphinx.Decoder(
        hmm=pocketsphinx.get_model_path("en-us/en-us"),
        dict=pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"),
        lm=None,
        samprate=float(SAMPLE_RATE),
        loglevel="FATAL",
    )
    if unknown := [word for word in words if decoder.lookup_word(word) is None]:
        raise UnknownWordsError(f"words without a pronunciation in the dictionary: {unknown}")
    decoder.add_jsgf_string(
        "words", f"#JSGF V1.0;\ngrammar words;\npublic <word> = {' | '.join(words)};\n"
    )
    decoder.activate_search("words")
    return decoder
