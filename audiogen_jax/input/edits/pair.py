"""A clip, what is asked for, and the clip that it should become."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from audiogen_jax.input.manifest import AudioRecord


@dataclasses.dataclass(frozen=True)
class EditPair:
    """A mixed pair and all that is known of it.

    What is named is there: add: target = source + event; remove: source = target + event; extract:
    target = event; restyle: source - event = target - replacement. Where it is not, target = source
    and nothing is extracted.

    Attributes:
      kind: "add", "remove", "extract" or "restyle".
      what: the named sound, a noun phrase ("a dog barking").
      to: what it becomes, of "restyle"; else "".
      words: that are spoken, if the sound that is named, or what it becomes, is a voice; else "".
      instruction: a sentence that asks for it, in one of many wordings.
      source, target: before and after.
      event: the named sound as it stands in one of them; zeros if it is not there.
      replacement: what stands in its place in the target, of "restyle".
      span: from when to when the named sound is heard, in seconds; None if it is not there.
      negative: whether it is not there.
      clips: "event", "replacement", "others" and "background" -> the recordings that it was made
        of; a sound that is named without being there is none of them.
    """

    kind: str
    what: str
    to: str
    words: str
    instruction: str
    source: Float32[np.ndarray, "n a"]
    target: Float32[np.ndarray, "n a"]
    event: Float32[np.ndarray, "n a"]
    replacement: Float32[np.ndarray, "n a"] | None
    span: tuple[float, float] | None
    negative: bool
    clips: Mapping[str, Sequence[AudioRecord]]
