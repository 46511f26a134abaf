"""When the tokens of a caption sound: a timeline set on the token axis."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from audiogen_jax.timeline import Timeline, event_ranges

Offsets = Sequence[tuple[int, int]]
"""First and last character of each token of a text, as its tokenizer says."""


def token_spans(
    text: str, offsets: Offsets, timeline: Timeline, length: int
) -> tuple[Float32[np.ndarray, "l 2"], Timeline]:
    """From when to when each token sounds.

    Words that are spoken share their time out evenly, one token after another; all tokens of
    another view sound throughout its event. A token of two events keeps the first one.

    Args:
      text: tagged string.
      offsets: of its tokens; more than `length` are cut.
      timeline: events; each is looked for in its view, after the one before it.
      length: l.

    Returns:
      Start and end in seconds, 0 and 0 where nothing is said of a token; and the events whose words
      are not among the tokens.
    """
    spans = np.zeros((length, 2), np.float32)
    absent = []
    for event, where in event_ranges(text, timeline):
        tokens = [] if where is None else _tokens_in(offsets[:length], *where)
        tokens = [token for token in tokens if not spans[token, 1]]
        if not tokens:
            absent.append(event)
        elif event.view == "asr":
            edges = np.linspace(event.start, event.end, len(tokens) + 1)
            spans[tokens] = np.stack([edges[:-1], edges[1:]], axis=1)
        else:
            spans[tokens] = event.start, event.end
    return spans, tuple(absent)


def _tokens_in(offsets: Offsets, start: int, end: int) -> list[int]:
    """The tokens that have characters in a range; those without any of their own are left out."""
    return [
        index for index, (first, last) in enumerate(offsets) if max(first, start) < min(last, end)
    ]
