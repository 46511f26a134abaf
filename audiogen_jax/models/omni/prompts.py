"""What Audio-Omni is asked for, as arrays; and what a thinker is to it."""

from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from audiogen_jax.models.omni.config import OmniConfig
from audiogen_jax.sharding.placement import AxisRules
from audiogen_jax.types import Params, TokenMask

ThinkerInputs: TypeAlias = PyTree[Array]
"""What a thinker reads: `Tokens` of texts, or arrays of its choice for more than text."""


class Features(NamedTuple):
    """Hidden states that a thinker gave before.

    Attributes:
      values: float [b l d].
      mask: bool [b l], True at tokens.
    """

    values: Float[Array, "b l d"]
    mask: TokenMask


class OmniPrompts(NamedTuple):
    """All that Audio-Omni conditions on; the first axis is the clip.

    Attributes:
      instruction: what the thinker reads, or `Features` of it.
      transcript: ids of characters and syllables, 0 after the end.
      has_transcript: clips that have one.
      audio: reference audio (a source to edit, a voice), mono; zeros for none.
      sync: visual features; zeros for none.
    """

    instruction: ThinkerInputs
    transcript: Int[Array | np.ndarray, "b s"]
    has_transcript: Bool[Array | np.ndarray, " b"]
    audio: Float[Array | np.ndarray, "b n"]
    sync: Float[Array | np.ndarray, "b v e"]

    @classmethod
    def of_instruction(
        cls, instruction: ThinkerInputs, config: OmniConfig, clips: int
    ) -> "OmniPrompts":
        """No transcript, no audio, no video."""
        return cls(
            instruction,
            jnp.zeros((clips, config.text_length), jnp.int32),
            jnp.zeros(clips, bool),
            jnp.zeros((clips, config.reference_samples)),
            jnp.zeros((clips, config.sync_length, config.sync_dim)),
        )


@runtime_checkable
class Thinker(Protocol):
    """A frozen language model whose hidden states say what is asked for.

    A frozen dataclass without parameters: they are passed.

    Attributes:
      width: of the hidden states.
      vocab_size: token ids of texts are below it.
      max_tokens: longest text that is given to it.
      axes: names of the axes of its parameters, to place them on a mesh.
    """

    @property
    def width(self) -> int: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def axes(self) -> AxisRules: ...

    def init(self, key: PRNGKeyArray) -> Params:
        """Random parameters; traceable."""
        ...

    def hidden_states(
        self, params: Params, inputs: ThinkerInputs
    ) -> tuple[Float[Array, "b l d"], TokenMask]:
        """The states before the last layer, and the positions that hold a token."""
        ...
