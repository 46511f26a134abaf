"""Words of the caption that are spoken although they describe the scene."""

from typing import NamedTuple

from audiogen_jax.evaluate.metrics.spoken_text import spoken_text

FUNCTION_WORDS = frozenset(
    "a about after again all also an and another any are as at away be because been before being "
    "between both but by can could did do does down during each few for from had has have he her "
    "here hers him his how i if in into is it its just like many may me more most much my near no "
    "not of off on once one only onto or other our out over own s she should so some such than "
    "that the their them then there these they this those through to too under until up very was "
    "we were what when where which while who whose will with without would you your".split()
)
"""English words that any sentence may hold: hearing them says nothing of the caption."""


class Leakage(NamedTuple):
    """What was spoken of a caption.

    Attributes:
      share: of the words that could leak, those that did.
      leaked: these words, as in `spoken_text`, in the order of the caption.
      words: how many could.
    """

    share: float
    leaked: tuple[str, ...]
    words: int


def caption_leakage(caption: str, to_speak: str | None, transcript: str) -> Leakage | None:
    """Share of the caption's content words that are heard though they are not to be spoken.

    Content words are the different words of the caption that are no English function words; those
    in `to_speak` may be heard. Words count as the same when `spoken_text` makes them so: "barking"
    is not "barks". A speech recogniser mishears, so give the share of real clips beside it.

    Args:
      caption: what describes the scene, of one view or more.
      to_speak: what is to be spoken, if anything.
      transcript: what was heard; empty if nothing was.

    Returns:
      None if the caption has no word that could leak.
    """
    allowed = FUNCTION_WORDS | set(spoken_text(to_speak or "").split())
    # In a dict words are in order and once.
    words = tuple(dict.fromkeys(w for w in spoken_text(caption).split() if w not in allowed))
    if not words:
        return None
    heard = set(spoken_text(transcript).split())
    leaked = tuple(word for word in words if word in heard)
    return Leakage(len(leaked) / len(words), leaked, len(words))
