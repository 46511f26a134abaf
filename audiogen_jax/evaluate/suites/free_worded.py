"""Words and sounds asked for in sentences of other people, none of which a training has seen."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from audiogen_jax.caption import VIEWS, StructuredCaption
from audiogen_jax.evaluate.examples import examples_of
from audiogen_jax.evaluate.judge.cache import cached_judge
from audiogen_jax.evaluate.judge.network import Judge
from audiogen_jax.evaluate.judge.tasks import DIGITS
from audiogen_jax.evaluate.judge.training import JudgeTraining
from audiogen_jax.evaluate.metrics.onsets import in_time
from audiogen_jax.evaluate.metrics.shares import Share, share_of
from audiogen_jax.evaluate.recognisers.spoken_words import SpokenWords
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suite import Context, Measurement, Model, Table
from audiogen_jax.timeline import Event, Timeline, parse_timeline

Samples = Float[np.ndarray, " n"]
SECONDS = {"digit": 1.0, "sound": 5.0, "mixture": 2.0}
"""Length of the clips of each kind: about that of the recordings of a training."""
TIMED = "timeline"
"""The kind whose prompts say when each of the two sounds, and how long the clip is."""


@dataclasses.dataclass(frozen=True)
class FreePrompt:
    """One sentence and what should be heard.

    Attributes:
      id: "digit/...", "sound/...", "mixture/..." or "timeline/..."; fixes the noise.
      prompt: a caption, and the word to say.
      digit: that should be heard, if any.
      sound: ESC-10 class that should be heard, if any.
      source: where the sentence is from: a clip of AudioCaps (MIT) or MECAT (CC BY 3.0), or
        "audiogen-jax".
      timeline: when the word and the sound are heard; of the kind "timeline" alone.
      seconds: of the clip.
    """

    id: str
    prompt: StructuredCaption
    digit: str | None
    sound: str | None
    source: str
    timeline: Timeline
    seconds: float

    @property
    def kind(self) -> str:
        return self.id.partition("/")[0]

    @property
    def said(self) -> Event:
        """When the word is said."""
        return next(event for event in self.timeline if event.view == "asr")

    @property
    def sounding(self) -> Event:
        """When the sound is heard."""
        return next(event for event in self.timeline if event.view != "asr")


def free_prompts() -> list[FreePrompt]:
    """The sentences of the test set, which ships with the package."""
    text = (
        resources.files("audiogen_jax.evaluate.suites")
        .joinpath("free_worded.jsonl")
        .read_text("utf-8")
    )
    rows = [json.loads(line) for line in text.splitlines()]
    return [
        FreePrompt(
            row["audio_id"],
            StructuredCaption(**{view: row[view] for view in VIEWS if view in row}),
            row.get("digits"),
            row.get("sounds"),
            row["source"],
            parse_timeline(row.get("timeline", ())),
            row.get("seconds") or SECONDS[row["audio_id"].partition("/")[0]],
        )
        for row in rows
    ]


@dataclasses.dataclass(frozen=True)
class FreeWorded:
    """Every sentence of `free_prompts` is generated once and listened for.

    Models that were not trained with times are not asked when something sounds.

    Attributes:
      judge: how the judge of sounds is trained; digits are heard by PocketSphinx.
    """

    judge: JudgeTraining = JudgeTraining()
    name: ClassVar[str] = "wording"
    needs_generator: ClassVar[bool] = True

    def run(self, model: Model, recordings: Sequence[Recording], context: Context) -> Measurement:
        """Shares of each kind, see `heard`; no results without clips of sounds to train on."""
        judge = cached_judge(recordings, context.cache, self.judge)
        asked = free_prompts()
        protocol = {
            **model.sampling_protocol(context),
            "seconds": {**SECONDS, TIMED: "each its own"},
            "prompts": "free_worded.jsonl",
            "digits_heard_by": "PocketSphinx, a grammar of the ten digits",
            "judge": dataclasses.asdict(self.judge),
        }
        if "sounds" not in {task.name for task in judge.tasks}:
            return Measurement(protocol, {})
        note = None
        if model.pipeline is not None and not model.pipeline.generator.timeline:
            asked = [prompt for prompt in asked if prompt.kind != TIMED]
            note = "wording: no timelines, this model was not trained with times of what sounds"
        clips: dict[str, Samples] = {}
        for kind in dict.fromkeys(prompt.kind for prompt in asked):
            rows = [prompt for prompt in asked if prompt.kind == kind]
            ids = [prompt.id for prompt in rows]
            timelines = [row.timeline for row in rows] if kind == TIMED else None
            made = model.generate(
                [row.prompt for row in rows],
                ids,
                context,
                kind,
                [row.seconds for row in rows],
                timelines,
            )
            clips |= dict(zip(ids, made, strict=True))
        results = heard(asked, clips, judge, SpokenWords(DIGITS), model.codec.sample_rate)
        rate, examples = model.codec.sample_rate, []
        for kind in results:
            rows = [prompt for prompt in asked if prompt.kind == kind]
            examples += examples_of(
                context.examples,
                [row.id for row in rows],
                {"generated": [clips[row.id] for row in rows]},
                rate,
                [row.prompt.format() for row in rows],
            )
        protocol |= {"not_asked": note}
        return Measurement(protocol, results, [_table(results)], note, examples)


def heard(
    asked: Sequence[FreePrompt],
    clips: Mapping[str, Samples],
    judge: Judge,
    digits: SpokenWords,
    sample_rate: int,
) -> dict[str, dict[str, Share]]:
    """How often what was asked for is heard.

    Args:
      asked: the prompts.
      clips: the audio of each, by its id.
      judge: of sounds.
      digits: of digits.
      sample_rate: of all clips, Hz.

    Returns:
      kind -> "digits", "sounds" and "both", as far as the kind asks for them. Of timelines, the
      sound is listened for in its own stretch, and "digits in time" begin when they should.
    """
    results: dict[str, dict[str, Share]] = {}
    for kind in dict.fromkeys(prompt.kind for prompt in asked):
        rows = [prompt for prompt in asked if prompt.kind == kind]
        audio = [clips[prompt.id] for prompt in rows]
        right: dict[str, Bool[np.ndarray, " b"]] = {}
        if rows[0].digit is not None:
            answers = digits.hear(audio, sample_rate)
            words = [answer.word if answer else None for answer in answers]
            right["digits"] = np.array(words) == [prompt.digit for prompt in rows]
            if kind == TIMED:
                said = [prompt.said.start for prompt in rows]
                begun = in_time([answer and answer.start for answer in answers], said)
                right["digits in time"] = right["digits"] & begun
        if rows[0].sound is not None:
            if kind == TIMED:
                audio = [_stretch(clips[row.id], row.sounding, sample_rate) for row in rows]
            answers = judge.answers("sounds", audio, sample_rate)
            right["sounds"] = np.array(answers) == [prompt.sound for prompt in rows]
        if "digits" in right and "sounds" in right:
            right["both"] = right["digits"] & right["sounds"]
        results[kind] = {name: share_of(int(hits.sum()), len(rows)) for name, hits in right.items()}
    return results


def _stretch(clip: Samples, event: Event, sample_rate: int) -> Samples:
    return clip[round(event.start * sample_rate) : round(event.end * sample_rate)]


def _table(results: Mapping[str, Mapping[str, Share]]) -> Table:
    rows = [
        [f"{kind}: {name}", share.share, share.low, share.high]
        for kind, shares in results.items()
        for name, share in shares.items()
    ]
    return Table("Freely worded", ["heard", "share", "low", "high"], rows)
