"""All that the metrics of one row of a table are given."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from audiogen_jax.evaluate.benchmarks.clip_values import Transcripts
from audiogen_jax.evaluate.benchmarks.hearing import Heard
from audiogen_jax.evaluate.embedders.embedder import Embeddings
from audiogen_jax.input.prompts import PromptRecord


class Cell(NamedTuple):
    """A number of a table.

    Attributes:
      value: of the clips.
      low: of its 95 % interval; None where there is none.
      high: of its 95 % interval.
      clips: how many it is of.
    """

    value: float
    low: float | None
    high: float | None
    clips: int


class UndefinedError(ValueError):
    """A metric that these clips have no value of; says why."""


@dataclasses.dataclass(frozen=True)
class Group:
    """Clips that are scored together, in the order of their ids.

    Attributes:
      heard: what was heard of them.
      references: what was heard of all references of the group; None if there are none.
      paired: what was heard of the reference of each clip; None if they are no pairs.
      prompts: of each clip; None if there are none.
      texts: what the embedders of text make of the prompts' captions, by name.
      transcripts: of a recogniser; None if there are none.
      scores: by name, of each clip by id; clips may lack one.
      distances: of clip and reference, by the name of the metric, in the order of the clips.
      draws: resamples of the clips, for intervals of what is slow to compute.
      seed: of the resamples.
    """

    heard: Heard
    references: Heard | None
    paired: Heard | None
    prompts: Sequence[PromptRecord] | None
    texts: Mapping[str, Embeddings]
    transcripts: Transcripts | None
    scores: Mapping[str, Mapping[str, float]]
    distances: Mapping[str, Sequence[float | None]]
    draws: int
    seed: int

    def caption(self, row: int) -> str:
        """What a clip should be."""
        assert self.prompts is not None
        return caption_of(self.prompts[row])

    def words(self, row: int) -> str:
        """What should be spoken in a clip; empty if nothing."""
        assert self.prompts is not None
        return words_of(self.prompts[row])

    def transcript(self, row: int) -> str:
        """What was heard to be spoken in a clip.

        Raises:
          ValueError: its transcript is missing.
        """
        assert self.transcripts is not None
        name = self.heard.clip_ids[row]
        if name not in self.transcripts.texts:
            raise ValueError(
                f'clip {name!r} has no transcript: give a row for it, with "" if nothing is heard'
            )
        return self.transcripts.texts[name]


def caption_of(prompt: PromptRecord) -> str:
    """The caption of a prompt.

    Raises:
      ValueError: it has none, as a video or words alone.
    """
    if prompt.caption is None:
        raise ValueError(f"prompt {prompt.audio_id!r} has no caption to compare its clip with")
    return prompt.caption.caption


def words_of(prompt: PromptRecord) -> str:
    """What should be spoken; empty if nothing."""
    said = prompt.caption.asr if prompt.caption is not None else None
    return prompt.inputs.get("transcript") or said or ""
