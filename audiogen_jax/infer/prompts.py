"""Prompts to conditions: parsed, tokenised and conditioned once, in batches of few shapes."""

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.requests import MAX_BATCH, SMALLEST_TEXT, by_bucket
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.models.protocols import Condition
from audiogen_jax.types import Tokens

_SHOWN = 60
"""Characters of a prompt in a warning."""


def condition_prompts(
    sampler: Sampler,
    tokenize: Callable[[list[str]], Tokens],
    lost_views: Callable[[str], tuple[str, ...]],
    prompts: Sequence[StructuredCaption],
    options: SamplingOptions,
) -> tuple[list[list[Condition]], list[tuple[str, ...]]]:
    """Everything that the options need of every prompt.

    Args:
      sampler: conditions.
      tokenize: texts -> tokens padded to one length.
      lost_views: a text of as many tokens as that, or more -> its views that are cut off.
      prompts: of the clips.
      options: name a negative prompt and views with scales of their own.

    Returns:
      Of each clip, what `Sampler.sample` takes: [of the negative prompt,] of the prompt, of the
      prompt without each of `options.view_guidance`. And the views that each prompt lost, which is
      also warned of.
    """
    wanted: list[list[str]] = []
    for prompt in prompts:
        views = [prompt.without(view).format() for view in options.view_guidance]
        negative = [] if options.negative is None else [options.negative]
        wanted.append([*negative, prompt.format(), *views])
    texts = list(dict.fromkeys(text for clip in wanted for text in clip))
    tokens = tokenize(texts)
    conditions = dict(zip(texts, condition_texts(sampler, tokens), strict=True))
    full = np.asarray(tokens.mask).sum(axis=1) == tokens.mask.shape[1]
    formatted = [prompt.format() for prompt in prompts]
    reported = {*formatted, options.negative}  # not the prompts without one of their views
    cut = [text for text, limit in zip(texts, full, strict=True) if limit and text in reported]
    lost = {text: lost_views(text) for text in cut}
    _warn(lost, tokens.mask.shape[1])
    return (
        [[conditions[text] for text in clip] for clip in wanted],
        [lost.get(text, ()) for text in formatted],
    )


def _warn(lost_views: Mapping[str, tuple[str, ...]], max_tokens: int) -> None:
    for text, views in lost_views.items():
        if views:
            start = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
            warnings.warn(
                f"prompt {start!r} has more than the {max_tokens} tokens that the model reads: "
                f"lost, the first perhaps in part, are {', '.join(views)}",
                stacklevel=2,
            )


def condition_texts(sampler: Sampler, tokens: Tokens) -> list[Condition]:
    """Conditions of texts, those of about one length together.

    Args:
      sampler: conditions.
      tokens: of the texts, padded to one length.
    """
    conditions: dict[int, Condition] = {}
    lengths = np.asarray(tokens.mask).sum(axis=1)
    for bucket, rows in by_bucket(lengths, SMALLEST_TEXT, MAX_BATCH):
        width = min(bucket, tokens.ids.shape[1])
        batch = Tokens(tokens.ids[rows, :width], tokens.mask[rows, :width])
        conditions |= dict(zip(rows.tolist(), sampler.condition(batch), strict=True))
    return [conditions[row] for row in range(len(lengths))]
