"""Prompts to conditions: parsed, tokenised and conditioned once, in batches of few shapes."""

from collections.abc import Callable, Sequence

import numpy as np

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.requests import MAX_BATCH, SMALLEST_TEXT, by_bucket
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.models.protocols import Condition
from audiogen_jax.types import Tokens


def condition_prompts(
    sampler: Sampler,
    tokenize: Callable[[list[str]], Tokens],
    prompts: Sequence[StructuredCaption],
    options: SamplingOptions,
) -> list[list[Condition]]:
    """Everything that the options need of every prompt.

    Args:
      sampler: conditions.
      tokenize: texts -> tokens padded to one length.
      prompts: of the clips.
      options: name a negative prompt and views with scales of their own.

    Returns:
      Of each clip, what `Sampler.sample` takes: [of the negative prompt,] of the prompt, of the
      prompt without each of `options.view_guidance`.
    """
    wanted: list[list[str]] = []
    for prompt in prompts:
        views = [prompt.without(view).format() for view in options.view_guidance]
        negative = [] if options.negative is None else [options.negative]
        wanted.append([*negative, prompt.format(), *views])
    texts = list(dict.fromkeys(text for clip in wanted for text in clip))
    conditions = dict(zip(texts, condition_texts(sampler, tokenize(texts)), strict=True))
    return [[conditions[text] for text in clip] for clip in wanted]


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
