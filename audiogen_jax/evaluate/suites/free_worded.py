"""Words and sounds asked for in sentences of other people, none of which a training has seen."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.evaluate.judge.cache import cached_judge
from audiogen_jax.evaluate.judge.network import Judge
from audiogen_jax.evaluate.judge.tasks import DIGITS
from audiogen_jax.evaluate.judge.training import JudgeTraining
from audiogen_jax.evaluate.metrics.shares import Share, share_of
from audiogen_jax.evaluate.recognisers.spoken_words import SpokenWords
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suite import Context, Measurement, Model, Table

Samples = Float[np.ndarray, " n"]
SECONDS = {"digit": 1.0, "sound": 5.0, "mixture": 2.0}
"""Length of the clips of each kind: about that of the recordings of a training."""


@dataclasses.dataclass(frozen=True)
class FreePrompt:
    """One sentence and what should be heard.

    Attributes:
      id: "digit/...", "sound/..." or "mixture/..."; fixes the noise.
      prompt: a caption, and the word to say.
      digit: that should be heard, if any.
      sound: ESC-10 class that should be heard, if any.
      source: where the sentence is from: a clip of AudioCaps (MIT) or MECAT (CC BY 3.0), or
        "audiogen-jax".
    """

    id: str
    prompt: StructuredCaption
    digit: str | None
    sound: str | None
    source: str

    @property
    def kind(self) -> str:
        return self.id.partition("/")[0]


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
            StructuredCaption(row["caption"], asr=row.get("asr")),
            row.get("digits"),
            row.get("sounds"),
            row["source"],
        )
        for row in rows
    ]


@dataclasses.dataclass(frozen=True)
class FreeWorded:
    """Every sentence of `free_prompts` is generated once and listened for.

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
            **context.sampling_protocol(),
            "seconds": SECONDS,
            "prompts": "free_worded.jsonl",
            "digits_heard_by": "PocketSphinx, a grammar of the ten digits",
            "judge": dataclasses.asdict(self.judge),
        }
        if "sounds" not in {task.name for task in judge.tasks}:
            return Measurement(protocol, {})
        clips: dict[str, Samples] = {}
        for kind, seconds in SECONDS.items():
            rows = [prompt for prompt in asked if prompt.kind == kind]
            ids = [prompt.id for prompt in rows]
            made = model.generate([row.prompt for row in rows], ids, context, kind, seconds)
            clips |= dict(zip(ids, made, strict=True))
        results = heard(asked, clips, judge, SpokenWords(DIGITS), model.codec.sample_rate)
        return Measurement(protocol, results, [_table(results)])


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
      kind -> "digits", "sounds" and "both", as far as the kind asks for them.
    """
    results: dict[str, dict[str, Share]] = {}
    for kind in dict.fromkeys(prompt.kind for prompt in asked):
        rows = [prompt for prompt in asked if prompt.kind == kind]
        audio = [clips[prompt.id] for prompt in rows]
        right: dict[str, Bool[np.ndarray, " b"]] = {}
        if rows[0].digit is not None:
            answers = digits.answers(audio, sample_rate)
            right["digits"] = np.array(answers) == [prompt.digit for prompt in rows]
        if rows[0].sound is not None:
            answers = judge.answers("sounds", audio, sample_rate)
            right["sounds"] = np.array(answers) == [prompt.sound for prompt in rows]
        if len(right) == 2:
            right["both"] = np.logical_and(*right.values())
        results[kind] = {name: share_of(int(hits.sum()), len(rows)) for name, hits in right.items()}
    return results


def _table(results: Mapping[str, Mapping[str, Share]]) -> Table:
    rows = [
        [f"{kind}: {name}", share.share, share.low, share.high]
        for kind, shares in results.items()
        for name, share in shares.items()
    ]
    return Table("Freely worded", ["heard", "share", "low", "high"], rows)
