"""What a suite is: one thing that is measured of a checkpoint, with its rows of the report."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.progress import track

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.checkpoints.forms import FEW_STEPS
from audiogen_jax.evaluate.examples import Example
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.waveforms import to_mono
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.infer.requests import MAX_BATCH
from audiogen_jax.timeline import Timeline


@dataclasses.dataclass(frozen=True)
class Context:
    """What all suites of a report share.

    Attributes:
      cache: folder for what is made once, such as a trained judge.
      seed: in [0, 2**32); draws clips, phrasings and noise.
      options: how the generator samples.
      examples: clips of each kind that a suite gives to listen to, at most.
    """

    cache: Path
    seed: int = 0
    options: SamplingOptions = SamplingOptions()
    examples: int = 0


@dataclasses.dataclass(frozen=True)
class Model:
    """The checkpoint that is measured.

    Attributes:
      codec: there and back; that of the generator where there is one.
      pipeline: the generator; None unless a suite of the report needs it.
    """

    codec: Codec
    pipeline: Pipeline | None = None

    def form(self, options: SamplingOptions) -> str | None:
        """The file beside the generator whose form of it samples so few steps, if one does."""
        pipeline = self.pipeline
        few = pipeline is not None and pipeline.for_options(options) is not pipeline
        return FEW_STEPS if few else None

    def sampling_protocol(self, context: Context) -> dict[str, object]:
        """Steps, guidance, solver and schedule, and every other option that was changed."""
        always = ("steps", "guidance", "solver", "schedule")
        pipeline, options = self.pipeline, context.options
        options = options.settled("") if pipeline is None else pipeline.settled(options)
        defaults = vars(SamplingOptions())
        changed = {name: value for name, value in vars(options).items() if value != defaults[name]}
        return {name: getattr(options, name) for name in always} | changed

    def generate(
        self,
        prompts: Sequence[StructuredCaption],
        ids: Sequence[str],
        context: Context,
        title: str,
        duration: float | Sequence[float] | None = None,
        timelines: Sequence[Timeline] | None = None,
    ) -> list[Float[np.ndarray, " n"]]:
        """One clip for each prompt, channels averaged, with a progress bar.

        Args:
          prompts: what is asked for.
          ids: a name for each, which with the seed fixes its noise.
          context: seed and sampling options.
          title: names the bar.
          duration: seconds, of all or of each; None lets the model decide.
          timelines: what sounds when, of each.

        Raises:
          ValueError: no generator was loaded, or a clip comes out silent.
        """
        if self.pipeline is None:
            raise ValueError(f"generating {title}: the suite must say that it needs a generator")
        clips = []
        chunk = 4 * MAX_BATCH
        starts = range(0, len(prompts), chunk)
        console = Console(stderr=True)
        for start in track(starts, f"generating {title}", console=console, transient=True):
            rows = slice(start, start + chunk)
            generated = self.pipeline.generate(
                prompts[rows],
                seed=context.seed,
                ids=ids[rows],
                duration=duration[rows] if isinstance(duration, Sequence) else duration,
                timeline=None if timelines is None else timelines[rows],
                **vars(context.options),
            )
            clips.extend(to_mono(clip.audio) for clip in generated)
        return clips


@dataclasses.dataclass(frozen=True)
class Table:
    """What is printed of a measurement.

    Attributes:
      title: above it.
      columns: names; those of text come first.
      rows: texts, and numbers with None where there is none.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | None]]


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What a suite gives to the report.

    Attributes:
      protocol: what has to be known to get the results again.
      results: nested mappings and lists of numbers, strings and dataclasses of them; empty if the
        recordings gave nothing to measure.
      tables: to print.
      note: a line to print, such as why nothing was measured.
      examples: to listen to in the HTML report, `Context.examples` of each kind; see `examples_of`.
    """

    protocol: Mapping[str, object]
    results: Mapping[str, object]
    tables: Sequence[Table] = ()
    note: str | None = None
    examples: Sequence[Example] = ()


class Suite(Protocol):
    """One thing that is measured, with its settings: a frozen dataclass.

    Recordings are mono at the codec's sample rate. Codecs of more channels are given the same sound
    in each, and the channels of what they decode are averaged: metrics and judges hear mono.

    Attributes:
      name: key of the results and of the protocol in the report.
      needs_generator: False if a codec is enough.
    """

    name: ClassVar[str]
    needs_generator: ClassVar[bool]
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field]]

    def run(self, model: Model, recordings: Sequence[Recording], context: Context) -> Measurement:
        """Measures a checkpoint.

        Args:
          model: with a generator if the suite needs it.
          recordings: real clips, training and held-out.
          context: what all suites share.

        Raises:
          ValueError: the recordings do not fit the suite, or a clip comes out silent.
        """
        ...
