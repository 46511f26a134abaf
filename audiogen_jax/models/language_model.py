"""The third seam: what `understand` asks of a model that answers questions."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Array, Bool, Float32, Float64, Int, Key, PyTree, UInt8

from audiogen_jax.files.video import VideoTimes
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.scalars import as_integer, as_number
from audiogen_jax.sharding.placement import AxisRules
from audiogen_jax.types import NotNegative, Params, Range

Prompt: TypeAlias = Any
"""One question with its media, of a family's choice."""
Inputs: TypeAlias = PyTree
"""A batch of prompts: a pytree of arrays, of a family's choice."""


@dataclasses.dataclass(frozen=True)
class Decoding:
    """How the tokens of an answer are chosen.

    Attributes:
      max_tokens: most tokens of an answer.
      temperature: 0 takes the likeliest token, 1 draws as the model says.
      top_p: draws among the likeliest tokens that have this probability together.
      repetition_penalty: positive logits of tokens that the answer has are divided by it, negative
        ones multiplied (https://arxiv.org/abs/1909.05858, section 4.1); 1 changes none.
    """

    max_tokens: Annotated[int, Range(1, 1 << 16)] = 256
    temperature: NotNegative = 0.0
    top_p: Annotated[float, Range(0, 1, above=True)] = 1.0
    repetition_penalty: Annotated[float, Range(1, 100)] = 1.0

    def __post_init__(self):
        max_tokens = as_integer(self.max_tokens)
        temperature, top_p = as_number(self.temperature), as_number(self.top_p)
        penalty = as_number(self.repetition_penalty)
        if max_tokens is None or not 1 <= max_tokens <= 1 << 16:
            raise ValueError(f"max_tokens={self.max_tokens!r}: expected 1 to {1 << 16}")
        if temperature is None or not 0 <= temperature <= 100:
            raise ValueError(f"temperature={self.temperature!r}: expected 0 to 100")
        if top_p is None or not 0 < top_p <= 1:
            raise ValueError(f"top_p={self.top_p!r}: expected above 0 and at most 1")
        if penalty is None or not 1 <= penalty <= 100:
            raise ValueError(f"repetition_penalty={self.repetition_penalty!r}: expected 1 to 100")
        values = {
            "max_tokens": max_tokens,
            "temperature": temperature,
            "top_p": top_p,
            "repetition_penalty": penalty,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """Sound that is asked about.

    Attributes:
      samples: mono, at the model's sample rate.
    """

    samples: Float32[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True, eq=False)
class Film:
    """A video, or a picture, that is asked about.

    Attributes:
      frames: from `LanguageModel.resized`.
      interval: seconds from one frame to the next; None for a picture.
      sound: of the video, if it has any.
    """

    frames: UInt8[np.ndarray, "t y x 3"]
    interval: float | None = None
    sound: Recording | None = None


class FrameChoice(NamedTuple):
    """Which frames of a video are looked at.

    Attributes:
      times: seconds at which they are shown.
      interval: seconds from one to the next, as the model is told.
    """

    times: Float64[np.ndarray, " t"]
    interval: float


@runtime_checkable
class TextReader(Protocol):
    """Text to token ids and back; special tokens in a text are plain characters."""

    def encode(self, text: str) -> list[int]: ...
    def decode(self, ids: Sequence[int]) -> str: ...
    def special(self, name: str) -> int:
        """The id of a special token.

        Raises:
          ValueError: there is none.
        """
        ...


@runtime_checkable
class LanguageModel(Protocol):
    """Questions about sound and video to answers. Without parameters: they are passed.

    Attributes:
      sample_rate: Hz of the sound that it hears.
      max_tokens: longest prompt, with its answer, that it was trained on.
      axes: names of the axes of the parameters, to place them on a mesh.
    """

    @property
    def sample_rate(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def axes(self) -> AxisRules: ...

    def frame_choice(self, source: VideoTimes, quirks: Quirks) -> FrameChoice:
        """The frames of a video that it looks at."""
        ...

    def resized(
        self, frame: UInt8[np.ndarray, "y x 3"], frames: int | None
    ) -> UInt8[np.ndarray, "y2 x2 3"]:
        """A frame at the size at which so many are looked at; None for a picture.

        Raises:
          ValueError: the model sees none of such a shape.
        """
        ...

    def prompt(
        self, reader: TextReader, question: str, media: Sequence[Recording | Film]
    ) -> Prompt:
        """A question about media, in the words around it that the model was trained on.

        Raises:
          ValueError: media that it cannot hear or see.
        """
        ...

    def inputs(self, prompts: Sequence[Prompt], length: int = 0) -> Inputs:
        """A batch, padded to `length` tokens at least."""
        ...

    def prompt_length(self, prompt: Prompt) -> int:
        """Tokens of a prompt, those of its media among them."""
        ...

    def answer(
        self,
        params: Params,
        inputs: Inputs,
        keys: Key[Array, " b"],
        decoding: Decoding,
        stop_ids: Sequence[int],
    ) -> tuple[Int[Array, "b n"], Bool[Array, "b n"]]:
        """Tokens of each answer, and which of them belong to it; an answer ends before a stop id.

        Args:
          params: as the family's loader gives them.
          inputs: from `inputs`.
          keys: one for each prompt, for answers that are drawn.
          decoding: how tokens are chosen, static.
          stop_ids: ids that end an answer, static.
        """
        ...
