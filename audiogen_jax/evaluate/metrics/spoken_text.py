"""Text as it is compared with what was heard: words without case, punctuation or digits."""

import re
import unicodedata

from audiogen_jax.evaluate.judge.tasks import DIGITS

_APOSTROPHES = str.maketrans("‘’ʼ`", "''''")

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
)
"""Thai, Lao, Burmese, Khmer; kana and Han: no spaces between words, only where a writer likes."""


def spoken_text(text: str) -> str:
    """Words that sound the same are made the same, by these rules alone, in this order.

    1. Unicode NFKC, then case folding.
    2. Letters with their marks, and digits, stay in all scripts; an apostrophe stays between two
       letters ("don't"). Everything else, hyphens too, parts words.
    3. A digit that stands alone is its English word ("7" is "seven"). Longer numbers, ordinals
       and abbreviations stay as they are: write them out in the reference.
    4. One space between words.

    It is not Whisper's normaliser: filler words, contractions and spellings are not changed.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    folded = folded.translate(_APOSTROPHES)
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" or c == "'" else " " for c in folded)
    inside = re.sub(r"(?<![^\W\d_])'|'(?![^\W\d_])", " ", kept)
    return " ".join(DIGITS[int(w)] if re.fullmatch("[0-9]", w) else w for w in inside.split())


def unspaced(text: str) -> bool:
    """Whether a text has letters of a script without spaces between words."""
    return re.search(f"[{_UNSPACED}]", spoken_text(text)) is not None


def without_spaces_that_say_nothing(text: str) -> str:
    """A text without the spaces beside letters of scripts that have none between words."""
    return re.sub(f" (?=[{_UNSPACED}])|(?<=[{_UNSPACED}]) ", "", text)
