"""What generators are asked for beside a text: words to say, voices, sounds, edits."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, TypeAlias, get_args, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.edit_kinds import EditKind
from audiogen_jax.files.audio import check_samples
from audiogen_jax.models.quirks import NO_QUIRKS, Quirks
from audiogen_jax.scalars import as_number
from audiogen_jax.sharding.placement import AxisRules
from audiogen_jax.types import Params, as_float32

Prompts: TypeAlias = Any
"""What `Generator.condition` takes: a pytree of arrays, of a family's choice."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sound:
    """Sound of any rate and number of channels.

    Attributes:
      samples: float32 [n], or [n a].
      sample_rate: Hz.

    Raises:
      ValueError: no finite samples of such a shape, or a rate that is none.
    """

    samples: Float[np.ndarray, "n ..."]
    sample_rate: int

    def __post_init__(self):
        samples = as_float32(self.samples, "audio")
        if samples.ndim not in (1, 2) or not samples.size:
            raise ValueError(f"audio of shape {samples.shape}: expected samples [n] or [n a]")
        check_samples(samples, "audio")
        rate = as_number(self.sample_rate)
        if rate is None or not rate.is_integer():
            raise ValueError(f"sample_rate={self.sample_rate!r}: expected a whole number of Hz")
        object.__setattr__(self, "sample_rate", int(rate))
        object.__setattr__(self, "samples", samples if samples.ndim == 2 else samples[:, None])

    @property
    def channels(self) -> int:
        """Of the sound, which is [n a] whatever was given."""
        return np.shape(self.samples)[1]


@dataclasses.dataclass(frozen=True, eq=False)
class Edit:
    """A change to a recording.

    Attributes:
      kind: what is done with the sound that `what` names: added to the rest, removed, kept alone,
        or made into `to`.
      what: a sound, such as "a dog barking".
      source: what is changed.
      to: the other sound, of a restyling.

    Raises:
      ValueError: another kind, nothing named, or `to` where it means nothing.
    """

    kind: EditKind | str
    what: str
    source: Sound
    to: str | None = None

    def __post_init__(self):
        if self.kind not in get_args(EditKind):
            raise ValueError(f"edit {self.kind!r}: expected one of {get_args(EditKind)}")
        for name in ("what", "to"):
            text = getattr(self, name)
            if text is not None and (not isinstance(text, str) or not text.strip()):
                raise ValueError(f"{name}={text!r}: expected the name of a sound")
        if not self.what or (self.kind == "restyle") != (self.to is not None):
            raise ValueError(
                f"edit {self.kind!r} of what={self.what!r} with to={self.to!r}: expected `what`, "
                "and `to` for restyle alone"
            )


@dataclasses.dataclass(frozen=True, eq=False)
class PromptInputs:
    """All that one clip is made from.

    Attributes:
      caption: what is heard.
      transcript: words that are said.
      voice: that says them.
      voice_text: what `voice` says.
      audio: that the caption is about.
      video: file of a video whose sound, or music, is wanted.
      edit: in the place of all these.

    Raises:
      ValueError: there is nothing to make a clip from, or inputs that do not go together.
    """

    caption: StructuredCaption | None = None
    transcript: str | None = None
    voice: Sound | None = None
    voice_text: str | None = None
    audio: Sound | None = None
    video: str | Path | None = None
    edit: Edit | None = None

    def __post_init__(self):
        given = [name for name, value in vars(self).items() if value is not None]
        if self.edit is not None and given != ["edit"]:
            raise ValueError(f"an edit stands alone: {given} do not go together")
        for name in ("transcript", "voice_text"):
            text = getattr(self, name)
            if text is not None and (not isinstance(text, str) or not text.strip()):
                raise ValueError(f"{name}={text!r}: expected words")
        if self.voice is not None and (self.transcript is None or self.voice_text is None):
            raise ValueError("a voice needs transcript, what it is to say, and voice_text, its own")
        if self.voice_text is not None and self.voice is None:
            raise ValueError("voice_text is what a voice says: give the voice")
        if all(each is None for each in (self.caption, self.transcript, self.video, self.edit)):
            raise ValueError(
                "nothing to make a clip from: give a caption, a transcript, a video or an edit"
            )

    @property
    def beyond_text(self) -> list[str]:
        """Names of what is given beside a caption."""
        return [n for n, value in vars(self).items() if value is not None and n != "caption"]

    @property
    def title(self) -> str:
        """One line that names the clip."""
        if self.edit is not None:
            to = f" to {self.edit.to}" if self.edit.to else ""
            return f"{self.edit.kind} {self.edit.what}{to}"
        if self.caption is not None:
            return self.caption.format()
        return self.transcript or f"video {Path(str(self.video)).name}"


class ReadPrompt(NamedTuple):
    """One clip's inputs as arrays.

    Attributes:
      prompts: for `Generator.condition`, of one clip.
      lead: seconds at the start of the clip that only repeat a voice.
      seconds: of the clip, where what is read says so.
      lost_views: of what is said, those that are longer than the model reads.
    """

    prompts: Prompts
    lead: float = 0.0
    seconds: float | None = None
    lost_views: tuple[str, ...] = ()


class PromptReader(Protocol):
    """Reads inputs for one family of generators.

    Attributes:
      reference_seconds: longest source that is edited at once.
    """

    @property
    def reference_seconds(self) -> float: ...

    def read(
        self, inputs: PromptInputs, start: float = 0.0, quirks: Quirks = NO_QUIRKS
    ) -> ReadPrompt:
        """Inputs to arrays, on the host.

        Args:
          inputs: of a clip.
          start: seconds of a video before those that are seen.
          quirks: of the PyTorch release.

        Raises:
          ValueError: inputs that the model does not take.
        """
        ...

    def read_example(self, inputs: PromptInputs, sound: Sound) -> Prompts:
        """What a training shows of a clip, as arrays of one clip, on the host.

        Args:
          inputs: of the clip.
          sound: the clip itself, parts of which may be shown.

        Raises:
          ValueError: inputs that the model does not take.
        """
        ...


class Ragged(NamedTuple):
    """One array of each clip, of its own length.

    Attributes:
      values: zero-padded.
      lengths: of each clip; 0: it has none.
    """

    values: Shaped[Array | np.ndarray, "b n ..."]
    lengths: Int[Array | np.ndarray, " b"]


@runtime_checkable
class ReadsAhead(Protocol):
    """A generator whose frozen parts may read prompts before a training."""

    @property
    def axes(self) -> AxisRules:
        """The names of its parameters' axes."""
        ...

    def encode_prompts(self, params: Params, prompts: Prompts) -> Prompts:
        """Prompts after the frozen parts, as `condition` takes them too; traceable."""
        ...

    def clip_arrays(self, prompts: Prompts) -> list[dict[str, np.ndarray]]:
        """Encoded prompts as arrays of each clip, on the host."""
        ...

    def stored_prompts(self, arrays: Mapping[str, Ragged]) -> Prompts:
        """Encoded prompts of such arrays; traceable."""
        ...

    def array_shapes(self, tokens: int) -> Mapping[str, jax.ShapeDtypeStruct]:
        """Of the arrays of a clip that has everything, with so many tokens of instruction."""
        ...

    def without_encoders(self) -> Self:
        """The same generator without its frozen parts."""
        ...
