"""Prompts to conditions: parsed, tokenised and conditioned once, in batches of few shapes."""

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from audiogen_jax.checkpoints.family import Tokenize
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.requests import MAX_BATCH, by_bucket
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.infer.storyboard import Shot
from audiogen_jax.models.protocols import Condition
from audiogen_jax.timeline import Timeline
from audiogen_jax.types import Tokens

_SHOWN = 60
"""Characters of a prompt in a warning."""


def condition_shots(
    sampler: Sampler,
    tokenize: Tokenize,
    lost_views: Callable[[str], tuple[str, ...]],
    clips: Sequence[Sequence[Shot]],
    options: SamplingOptions,
) -> tuple[list[list[Condition]], list[tuple[str, ...]]]:
    """Everything that the options need of every prompt.

    Args:
      sampler: conditions.
      tokenize: texts -> tokens padded to one length.
      lost_views: a text of as many tokens as that, or more -> its views that are cut off.
      clips: the shots of each.
      options: name a negative prompt and views with scales of their own.

    Returns:
      Of each clip, what `Sampler.sample` takes of each of its shots: [of the negative prompt,] of
      the prompt, of the prompt without each of `options.view_guidance`. And the views that the
      prompts of each clip lost, which is also warned of.
    """
    wanted = [[text for shot in shots for text in _texts(shot, options)] for shots in clips]
    texts = list(dict.fromkeys(text for clip in wanted for text in clip))
    timed = [text for text in texts if text.timeline is not None]
    untimed = [text for text in texts if text.timeline is None]
    formatted = [[shot.caption.format() for shot in shots] for shots in clips]
    # Not of the prompts without one of their views.
    reported = {text for shots in formatted for text in shots} | {options.negative}
    conditions: dict[_Text, Condition] = {}
    lost: dict[str, tuple[str, ...]] = {}
    for group in filter(None, (untimed, timed)):
        timelines = [text.timeline for text in group if text.timeline is not None]
        words = [text.words for text in group]
        tokens = tokenize(words, *([timelines] if timelines else []))
        conditions |= dict(zip(group, condition_texts(sampler, tokens), strict=True))
        lost |= warn_of_lost(
            words, tokens, lambda text: lost_views(text) if text in reported else ()
        )
    return (
        [[conditions[text] for text in clip] for clip in wanted],
        [
            tuple(dict.fromkeys(view for text in shots for view in lost.get(text, ())))
            for shots in formatted
        ],
    )


class _Text(NamedTuple):
    """A tagged string, and when what it names sounds."""

    words: str
    timeline: Timeline | None


def _texts(shot: Shot, options: SamplingOptions) -> list[_Text]:
    """What the options need of a shot."""
    captions = [shot.caption, *(shot.caption.without(view) for view in options.view_guidance)]
    texts = []
    if options.negative is not None:
        texts.append(_Text(options.negative, None if shot.timeline is None else ()))
    for caption in captions:
        timeline = shot.timeline
        if timeline is not None:
            timeline = tuple(e for e in timeline if getattr(caption, e.view) is not None)
        texts.append(_Text(caption.format(), timeline))
    return texts


def warn_of_lost(
    texts: Sequence[str], tokens: Tokens, lost_views: Callable[[str], tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Warns of texts with more tokens than the model reads.

    Args:
      texts: tagged strings.
      tokens: of them.
      lost_views: a text of as many tokens as there are, or more -> its views that are cut off.

    Returns:
      Of each text that lost some, those views.
    """
    most = tokens.mask.shape[1]
    full = np.asarray(tokens.mask).sum(axis=1) == most
    lost = {text: lost_views(text) for text in dict.fromkeys(itertools.compress(texts, full))}
    lost = {text: views for text, views in lost.items() if views}
    for text, views in lost.items():
        start = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        warnings.warn(
            f"prompt {start!r} has more than the {most} tokens that the model reads: "
            f"lost, the first perhaps in part, are {', '.join(views)}",
            stacklevel=2,
        )
    return lost


def condition_texts(sampler: Sampler, tokens: Tokens) -> list[Condition]:
    """Conditions of texts, those of about one length together.

    Args:
      sampler: conditions.
      tokens: of the texts, padded to one length.
    """
    conditions: dict[int, Condition] = {}
    lengths = np.asarray(tokens.mask).sum(axis=1)
    for bucket, rows in by_bucket(lengths, sampler.smallest_text, MAX_BATCH):
        width = min(bucket, tokens.ids.shape[1])
        spans = None if tokens.spans is None else tokens.spans[rows, :width]
        source = None if tokens.source is None else tokens.source[rows]
        batch = Tokens(tokens.ids[rows, :width], tokens.mask[rows, :width], spans, source)
        conditions |= dict(zip(rows.tolist(), sampler.condition(batch), strict=True))
    return [conditions[row] for row in range(len(lengths))]
