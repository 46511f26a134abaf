"""Are all sounds of a mixture heard? Voices with sounds, music or ambience, asked for and real."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

from audiogen_jax.evaluate.examples import Example, examples_of
from audiogen_jax.evaluate.judge.cache import cached_judge
from audiogen_jax.evaluate.judge.training import BACKGROUND, JudgeTraining
from audiogen_jax.evaluate.metrics.shares import Share
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suite import Context, Measurement, Model, Table
from audiogen_jax.evaluate.suites.listeners import (
    Listeners,
    Samples,
    chances,
    heard_in,
    ratios,
    shares_heard,
)
from audiogen_jax.evaluate.suites.real_mixtures import (
    KINDS,
    LEVEL_DB,
    SECONDS,
    Mixture,
    held_out_parts,
    mixtures,
)
from audiogen_jax.evaluate.suites.reconstruction import rebuild


@dataclasses.dataclass(frozen=True)
class NanoMixtures:
    """Two or three things that sound at once are asked for, and listened for.

    Attributes:
      pairs: mixtures of each kind to generate.
      judge: how the judge of voices and sounds is trained.
      background: how the judge of music and ambience is trained.
    """

    pairs: int = 100
    judge: JudgeTraining = JudgeTraining()
    background: JudgeTraining = BACKGROUND
    name: ClassVar[str] = "mixtures"
    needs_generator: ClassVar[bool] = True

    def __post_init__(self):
        if self.pairs < 1:
            raise ValueError(f"pairs={self.pairs} must be at least 1")

    def run(self, model: Model, recordings: Sequence[Recording], context: Context) -> Measurement:
        """Generates and counts, kind by kind; see `Suite.run`.

        Returns:
          kind -> "generated", "real" (the same of held-out recordings), "real_rebuilt" (these
          through the codec), the ratio of the first two, and chance; see `shares_heard`. Kinds
          without held-out clips of all parts are left out.
        """
        judge = cached_judge(recordings, context.cache, self.judge)
        held_out = held_out_parts(judge.tasks, recordings)
        asked = {kind: mixtures(kind, held_out, self.pairs, context.seed) for kind in KINDS}
        asked = {kind: mixed for kind, mixed in asked.items() if mixed}
        parts = {part for mixed in asked.values() for mix in mixed for part in mix.expected}
        background = None
        if parts & {"music", "ambience"}:
            background = cached_judge(recordings, context.cache, self.background)
        listeners = Listeners(judge, background)
        results: dict[str, dict[str, Mapping]] = {}
        examples: list[Example] = []
        for kind, mixed in asked.items():
            sources = _sources(kind, mixed, model, context)
            results[kind] = _measure(mixed, sources, listeners, model.codec.sample_rate)
            examples += _examples(mixed, sources, listeners, model.codec.sample_rate, context)
        protocol = {
            **model.sampling_protocol(context),
            "seconds": SECONDS,
            "below_voice_db": LEVEL_DB,
            "judges": [dataclasses.asdict(self.judge), dataclasses.asdict(self.background)],
            "prompts": {mix.id: mix.prompt.format() for mixed in asked.values() for mix in mixed},
            "real": {mix.id: mix.clips for mixed in asked.values() for mix in mixed},
        }
        tables = [_table(*item) for item in results.items()]
        return Measurement(protocol, results, tables, examples=examples)


Sources = Mapping[str, Sequence[Samples]]


def _sources(kind: str, asked: Sequence[Mixture], model: Model, context: Context) -> Sources:
    prompts, ids = [mix.prompt for mix in asked], [mix.id for mix in asked]
    return {
        "generated": model.generate(prompts, ids, context, kind, SECONDS),
        "real": [mix.real for mix in asked],
        "real_rebuilt": [rebuild(model.codec, mix.real) for mix in asked],
    }


def _measure(
    asked: Sequence[Mixture], sources: Sources, listeners: Listeners, sample_rate: int
) -> dict[str, Mapping]:
    expected = [mix.expected for mix in asked]
    shares = {
        source: shares_heard(expected, clips, listeners, sample_rate)
        for source, clips in sources.items()
    }
    ratio = ratios(shares["generated"], shares["real"])
    return {**shares, "generated_to_real": ratio, "chance": chances(expected, listeners)}


def _examples(
    asked: Sequence[Mixture],
    sources: Sources,
    listeners: Listeners,
    sample_rate: int,
    context: Context,
) -> list[Example]:
    return examples_of(
        context.examples,
        [mix.id for mix in asked],
        {name: sources[name] for name in ("generated", "real")},
        sample_rate,
        [mix.prompt.format() for mix in asked],
        lambda row: heard_in(
            sources["generated"][row], asked[row].expected, listeners, sample_rate
        ),
    )


def _table(kind: str, result: Mapping[str, Mapping]) -> Table:
    rows = []
    for name, chance in result["chance"].items():
        share: Share = result["generated"][name]
        others = (result[source][name].share for source in ("real", "real_rebuilt"))
        rows.append(
            [name, share.share, share.low, share.high, *others]
            + [result["generated_to_real"][name], chance]
        )
    columns = ["heard", "generated", "low", "high", "real", "rebuilt", "ratio", "chance"]
    return Table(f"At once: {kind}", columns, rows)
