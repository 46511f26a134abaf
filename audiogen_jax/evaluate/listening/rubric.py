"""What a judge that hears and reads is asked of a clip, and what counts as an answer."""

import json
import math
from collections.abc import Mapping

CRITERIA = {
    "prompt": "Is everything that the description names heard, and nothing that contradicts it?",
    "realism": "Does it sound like a recording, without artefacts, distortion or sudden cuts?",
    "coherence": "Do all of its parts belong to one place: level, room and time fit together?",
    "speech": "Are the spoken words understood, and are they the words to be spoken?",
}
"""What is rated from 1 to 5; speech only where words are to be spoken."""
LOWEST, HIGHEST = 1, 5


class AnswerError(ValueError):
    """An answer that is none."""


def question(caption: str, words: str) -> str:
    """What is asked beside the sound.

    Args:
      caption: what the clip should be.
      words: to be spoken in it; empty if none.
    """
    asked = criteria(words)
    lines = [
        "Listen to the recording and rate how well it does what was asked for.",
        f"Description: {caption}",
        *([f"Words to be spoken: {words}"] if words else []),
        f"Rate each of these from {LOWEST} (not at all) to {HIGHEST} (fully):",
        *(f"- {name}: {CRITERIA[name]}" for name in asked),
        "Answer with one JSON object and nothing else, a number for each name: "
        + json.dumps({name: "…" for name in asked}, ensure_ascii=False),
    ]
    return "\n".join(lines)


def criteria(words: str) -> tuple[str, ...]:
    """The names of what is rated of a clip."""
    return tuple(name for name in CRITERIA if name != "speech" or words)


def read_answer(text: str, words: str) -> dict[str, float]:
    """The ratings in an answer, which may stand in a fenced block.

    Raises:
      AnswerError: no JSON object, other names, or a rating that is no number from 1 to 5.
    """
    start, end = text.find("{"), text.rfind("}")
    try:
        answer = json.loads(text[start : end + 1])
    except (ValueError, RecursionError) as error:
        raise AnswerError(f"no JSON object in {text[:80]!r}") from error
    if not isinstance(answer, Mapping) or {*answer} != {*criteria(words)}:
        raise AnswerError(f"expected ratings of {', '.join(criteria(words))}, got {text[:80]!r}")
    for name, rating in answer.items():
        number = isinstance(rating, int | float) and not isinstance(rating, bool)
        if not number or not math.isfinite(rating) or not LOWEST <= rating <= HIGHEST:
            raise AnswerError(
                f"{name} is {rating!r:.20}, expected a number from {LOWEST} to {HIGHEST}"
            )
    return {name: float(answer[name]) for name in criteria(words)}
