"""Clips for many clients at once: each with its seed, prompts conditioned and sampled together."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.infer.compile import keep_programs
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.infer.requests import Clip, ClipError, Request, padded_frames
from audiogen_jax.models.prompting import PromptInputs
from audiogen_jax.timeline import Timeline

CLIP_ID = "0"
"""Of every clip: it is the one that `Pipeline.generate` makes of its prompt and seed alone."""
SMALLEST_TEXT = 64
"""Tokens of the shortest bucket of prompts. Each shape of a text, with each length and each size of
batch, is a program to compile: a server has most texts share one."""
PROGRAMS = 64
"""That functions keep in memory: four sizes of batches of each bucket up to the longest window, and
others beside."""


@dataclasses.dataclass(frozen=True)
class ClipOrder:
    """One clip that a client asks for.

    Attributes:
      caption: None where the timeline or a transcript has it.
      options: how to sample.
      seed: in [0, 2**32).
      seconds: of it; None lets the model decide.
      timeline: of it.
      transcript: words to say, of models that read them.
    """

    caption: StructuredCaption | None
    options: SamplingOptions
    seed: int = 0
    seconds: float | None = None
    timeline: Timeline = ()
    transcript: str | None = None


class ReadyClip(NamedTuple):
    """A clip of which the prompt is conditioned and the length known.

    Attributes:
      order: what was asked.
      form: of the pipeline, that makes it.
      request: for `form`.
    """

    order: ClipOrder
    form: Pipeline
    request: Request


class ClipMaker:
    """Makes clips with a pipeline; see `batcher.Maker`."""

    def __init__(self, pipeline: Pipeline, max_seconds: float):
        """Takes a pipeline over, whose programs are kept from now on.

        Args:
          pipeline: makes the clips.
          max_seconds: of a clip, also where the model decides.
        """
        self._pipeline, self._max_seconds = pipeline, max_seconds
        keep_programs(PROGRAMS)

    def prepare(self, asked: Sequence[ClipOrder]) -> list[ReadyClip | Exception]:
        """Conditions prompts, those with equal options together."""
        results: list[ReadyClip | Exception | None] = [None] * len(asked)
        left = [*range(len(asked))]
        while left:
            first = asked[left[0]]
            rows = [row for row in left if _together(asked[row], first)]
            left = [row for row in left if row not in rows]
            for row, result in zip(rows, self._conditioned([asked[r] for r in rows]), strict=True):
                results[row] = result
        return [result for result in results if result is not None]

    def check(self, order: ClipOrder) -> None:
        """Raises what `prepare` gives in the place of a clip that cannot be made."""
        (ready,) = self.prepare([order])
        if isinstance(ready, Exception):
            raise ready

    def alike(self, one: ReadyClip, other: ReadyClip) -> bool:
        """Do they share options and bucket?"""
        return self._key(one) == self._key(other)

    def make(self, batch: Sequence[ReadyClip]) -> list[Clip | ClipError]:
        """Samples clips that are alike."""
        form, options = batch[0].form, batch[0].order.options
        seeds = [ready.order.seed for ready in batch]
        try:
            return form.collect(form.submit([ready.request for ready in batch], seeds, options))
        except ValueError as error:  # all that a client can do wrong was found before
            raise RuntimeError(f"sampling failed: {error}") from error

    def warm_up(self, options: SamplingOptions, seconds: Sequence[float], max_batch: int) -> None:
        """Compiles what clips of these lengths need, in batches of every size.

        Args:
          options: how they will be sampled.
          seconds: lengths.
          max_batch: clips sampled together, at most.
        """
        for length in seconds:
            order = ClipOrder(StructuredCaption("rain"), options, seconds=length)
            rows = 1
            while rows < 2 * max_batch:
                prepared = self.prepare([order] * min(rows, max_batch))
                ready = [each for each in prepared if isinstance(each, ReadyClip)]
                if not ready:
                    raise ValueError(f"warming up for {length:g} s: {prepared[0]}")
                self.make(ready)
                rows *= 2

    def _key(self, ready: ReadyClip) -> tuple[SamplingOptions, tuple[bool, bool, int], int]:
        frames = padded_frames(ready.request.frames, ready.form.generator.window)
        return ready.order.options, ready.request.kind, frames

    def _conditioned(self, orders: Sequence[ClipOrder]) -> list[ReadyClip | Exception]:
        try:
            form = self._pipeline.for_options(orders[0].options)
            form.inputs.sampler.smallest_text = SMALLEST_TEXT
            return [self._checked(*row) for row in self._requests(form, orders)]
        except ValueError as error:
            if len(orders) > 1:  # the others are not to blame
                return [result for order in orders for result in self._conditioned([order])]
            return [ValueError(str(error).removeprefix(f"clip {CLIP_ID!r}: "))]

    def _requests(
        self, form: Pipeline, orders: Sequence[ClipOrder]
    ) -> list[tuple[ClipOrder, Pipeline, Request]]:
        options, ids = orders[0].options, [str(row) for row in range(len(orders))]
        seconds = [order.seconds for order in orders]
        if orders[0].transcript is not None:
            form = self._pipeline
            inputs = [PromptInputs(order.caption, order.transcript) for order in orders]
            requests = form.inputs.make(ids, inputs, seconds, options)
        else:
            captions = [order.caption for order in orders]
            timelines = [order.timeline for order in orders]
            requests = form.requests(captions, ids, seconds, options, timeline=timelines)
        return [
            (order, form, dataclasses.replace(request, id=CLIP_ID))
            for order, request in zip(orders, requests, strict=True)
        ]

    def _checked(
        self, order: ClipOrder, form: Pipeline, request: Request
    ) -> ReadyClip | ValueError:
        seconds = request.samples / form.codec.sample_rate
        if seconds > self._max_seconds:
            return ValueError(
                f"the clip has {seconds:.1f} s, at most {self._max_seconds:g} are made here: give "
                "a shorter duration or timeline"
            )
        if request.lost_views:
            return ValueError(
                "the prompt has more tokens than the model reads, lost, the first perhaps in part, "
                f"would be {', '.join(request.lost_views)}: shorten it"
            )
        return ReadyClip(order, form, request)


def _together(one: ClipOrder, other: ClipOrder) -> bool:
    """Can their prompts be conditioned in one call?"""
    return one.options == other.options and (one.transcript is None) == (other.transcript is None)
