"""The scene of `make demo`, a spoken word, a dog and rain, with one seed after another."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.evaluate.examples import examples_of
from audiogen_jax.evaluate.judge.cache import cached_judge
from audiogen_jax.evaluate.judge.tasks import tasks_of
from audiogen_jax.evaluate.judge.training import BACKGROUND, JudgeTraining
from audiogen_jax.evaluate.recognisers.speech_activity import speech_activity_or_why
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suite import Context, Measurement, Model, Table
from audiogen_jax.evaluate.suites.listeners import (
    Listeners,
    chances,
    heard_in,
    ratios,
    shares_heard,
)
from audiogen_jax.evaluate.suites.real_mixtures import Samples, held_out_parts, mix
from audiogen_jax.evaluate.suites.reconstruction import rebuild

PROMPT = StructuredCaption(
    'A man saying "seven", a dog barking and rain falling.',
    speech="a man speaking",
    asr="seven",
    sfx="a dog barking",
    env="rain falling",
)
"""As the Makefile has it."""
SECONDS = 5.0
EXPECTED = {"digits": "seven", "events": "dog", "ambience": "rain"}
CLIP_ID = "0"
"""That `audiogen generate` gives its clip, so that seeds sound here as they do there."""


@dataclasses.dataclass(frozen=True)
class DemoScene:
    """The scene is generated with some seeds, and its parts are listened for.

    Attributes:
      seeds: how many, from that of the report on.
      judge: how the judge of the voice and the dog is trained.
      background: how that of the rain is.
    """

    seeds: int = 10
    judge: JudgeTraining = JudgeTraining()
    background: JudgeTraining = BACKGROUND
    name: ClassVar[str] = "scene"
    needs_generator: ClassVar[bool] = True

    def __post_init__(self):
        if self.seeds < 1:
            raise ValueError(f"seeds={self.seeds} must be at least 1")

    def run(self, model: Model, recordings: Sequence[Recording], context: Context) -> Measurement:
        """Shares of each part and of all; no results without held-out clips. See `Suite.run`.

        Returns:
          "generated", "real" (held-out clips mixed, other ones for each seed), "real_rebuilt", the
          ratio of the first two, and chance; see `shares_heard`.
        """
        seeds = range(context.seed, context.seed + self.seeds)
        protocol = {
            **model.sampling_protocol(context),
            "prompt": PROMPT.format(),
            "seconds": SECONDS,
            "seeds": list(seeds),
            "judges": [dataclasses.asdict(self.judge), dataclasses.asdict(self.background)],
        }
        training = [clip for clip in recordings if clip.split == "train"]
        held_out = held_out_parts(tasks_of(training), recordings)
        if any(name not in held_out.get(part, {}) for part, name in EXPECTED.items()):
            return Measurement(protocol, {})
        real: list[Samples] = []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            pools = [held_out[part][name] for part, name in EXPECTED.items()]
            real.append(mix([pool[int(rng.integers(len(pool)))] for pool in pools], SECONDS, rng))
        sources = {
            "generated": [
                model.generate(
                    [PROMPT], [CLIP_ID], dataclasses.replace(context, seed=seed),
                    f"{self.name}, seed {seed}", SECONDS,
                )[0]
                for seed in seeds
            ],
            "real": real,
            "real_rebuilt": [rebuild(model.codec, clip) for clip in real],
        }  # fmt: skip
        activity, why = speech_activity_or_why()
        note = why and f"scene: the word is listened for in the whole clip, {why}"
        listeners = Listeners(
            cached_judge(recordings, context.cache, self.judge),
            cached_judge(recordings, context.cache, self.background),
            passing=True,
            activity=activity,
        )
        expected = [EXPECTED] * self.seeds
        shares: dict[str, Mapping] = {
            source: shares_heard(expected, clips, listeners, model.codec.sample_rate)
            for source, clips in sources.items()
        }
        ratio = ratios(shares["generated"], shares["real"])
        results = {**shares, "generated_to_real": ratio, "chance": chances(expected, listeners)}
        rows = [
            [name, *(results[source][name].share for source in sources), chance]
            for name, chance in results["chance"].items()
        ]
        columns = ["heard", "generated", "real", "rebuilt", "chance"]
        title = f"The demo's scene, {self.seeds} seeds"
        table = Table(title, columns, rows)
        examples = examples_of(
            context.examples,
            [f"seed {seed}" for seed in seeds],
            {"generated": sources["generated"], "real": real},
            model.codec.sample_rate,
            [PROMPT.format()] * self.seeds,
            lambda row: heard_in(
                sources["generated"][row], EXPECTED, listeners, model.codec.sample_rate
            ),
        )
        protocol |= {"word_heard": note or "where it begins"}
        return Measurement(protocol, results, [table], note, examples)
