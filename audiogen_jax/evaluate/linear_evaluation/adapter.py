"""An adapter from frames to a frozen language model, which writes what it hears (X-ARES
`models/asr.py`).

The language model reads the frames of a clip in the place of tokens, then a separator, then the
transcript and its end. Two modes, as in `examples`. "paper" counts positions as arrays stand: all
transcripts of a batch follow its longest clip, and the separator is guessed at the last frame of
that one, which is padding of the others. "strict" knows no padding: a transcript follows its own
clip. Either way it does in an answer, as transformers has it.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from audiogen_jax.evaluate.linear_evaluation.examples import Mode
from audiogen_jax.evaluate.linear_evaluation.head import dense
from audiogen_jax.evaluate.linear_evaluation.transcripts import Spoken
from audiogen_jax.layers.apply import apply
from audiogen_jax.models.language_model import Decoding
from audiogen_jax.models.omni.thinker.generation import generate
from audiogen_jax.models.omni.thinker.text import TextDecoder
from audiogen_jax.types import Params

DECODING = Decoding(max_tokens=200, repetition_penalty=1.1)
"""The likeliest token each time, as published."""


class Adapter(nn.Module):
    """SwiGLU with biases, proj(silu(fc1 x) * fc2 x); parameters are float32.

    Attributes:
      hidden: channels between.
      width: of the vectors that the language model reads.
    """

    hidden: int
    width: int

    @nn.compact
    def __call__(self, frames: Float[Array, "b t d"]) -> Float[Array, "b t w"]:
        inputs = frames.shape[-1]
        gate, up = (dense(self.hidden, inputs, name)(frames) for name in ("fc1", "fc2"))
        return dense(self.width, self.hidden, "proj")(nn.silu(gate) * up)


@dataclasses.dataclass(frozen=True)
class Recogniser:
    """An adapter before a language model, as functions of their parameters.

    Attributes:
      decoder: the language model.
      mode: see the module.
    """

    decoder: TextDecoder
    mode: Mode

    @property
    def adapter(self) -> Adapter:
        """With as many channels between as the language model has."""
        return Adapter(self.decoder.config.intermediate_size, self.decoder.config.hidden_size)

    def loss(self, adapter: Params, language: Params, batch: Spoken) -> Float[Array, ""]:
        """Mean cross-entropy over the tokens of all transcripts, separators and ends.

        Args:
          adapter: parameters that learn.
          language: parameters that do not.
          batch: with transcripts.
        """
        states, mask = self.before_tokens(adapter, language, batch)
        logs = jax.nn.log_softmax(self.decoder.logits(language, states))
        said = jnp.take_along_axis(logs, batch.ids[..., None], axis=-1)[..., 0]
        return -jnp.where(mask, said, 0).sum() / mask.sum()

    def predictions(
        self, adapter: Params, language: Params, batch: Spoken
    ) -> Int[Array, "b l_minus_1"]:
        """The likeliest token behind each of a transcript, whose tokens before are given."""
        states, _ = self.before_tokens(adapter, language, batch)
        return jnp.argmax(self.decoder.logits(language, states[:, 1:]), axis=-1)

    def answers(
        self,
        adapter: Params,
        language: Params,
        frames: Float[Array, "b t d"],
        lengths: Int[Array, " b"],
        separator: int,
        end: int,
    ) -> tuple[Int[Array, "b n"], Bool[Array, "b n"]]:
        """Tokens of the transcript of each clip, and which of them belong to it.

        Args:
          adapter: parameters.
          language: parameters.
          frames: of clips.
          lengths: frames of each clip.
          separator: before a transcript.
          end: behind it.
        """
        heard, mask = self._heard(adapter, frames, lengths)
        ids = jnp.full((len(heard), 1), separator, jnp.int32)
        x = jnp.concatenate([heard, self.decoder.embed(language, ids)], axis=1)
        positions = _positions(mask, lengths[:, None])
        mask = jnp.pad(mask, ((0, 0), (0, 1)), constant_values=True)
        keys = jax.random.split(jax.random.key(0), len(heard))  # of draws, of which there are none
        return generate(self.decoder, language, x, positions, mask, keys, DECODING, (end,))

    def _heard(
        self, adapter: Params, frames: Float[Array, "b t d"], lengths: Int[Array, " b"]
    ) -> tuple[Float[Array, "b t w"], Bool[Array, "b t"]]:
        """Frames as the language model reads them, and which they are."""
        mask = jnp.arange(frames.shape[1]) < lengths[:, None]
        heard = apply(self.adapter, adapter, jnp.where(mask[..., None], frames, 0))
        return heard.astype(self.decoder.dtype), mask

    def before_tokens(
        self, adapter: Params, language: Params, batch: Spoken
    ) -> tuple[Float[Array, "b l w"], Bool[Array, "b l"]]:
        """What the language model makes of all that is before each token, and which there are."""
        heard, there = self._heard(adapter, batch.frames, batch.lengths)
        t, l, lengths = heard.shape[1], batch.ids.shape[1], batch.lengths
        mask = jnp.arange(l) < batch.counts[:, None]
        starts = jnp.full_like(lengths, lengths.max()) if self.mode == "paper" else lengths
        positions = _positions(there, starts[:, None] + jnp.arange(l))
        x = jnp.concatenate([heard, self.decoder.embed(language, batch.ids)], axis=1)
        valid = jnp.concatenate([there, mask], axis=1)
        states, _ = self.decoder.read(language, x, positions, valid)
        last = jnp.take_along_axis(states, (starts - 1)[:, None, None], axis=1)
        return jnp.concatenate([last, states[:, t : t + l - 1]], axis=1), mask


def _positions(frames: Bool[Array, "b t"], behind: Int[Array, "b l"]) -> Int[Array, "3 b t_plus_l"]:
    """Positions of frames and of what is behind them, in time, height and width."""
    counted = jnp.broadcast_to(jnp.arange(frames.shape[1]), frames.shape)
    positions = jnp.concatenate([counted, behind], axis=1)
    return jnp.broadcast_to(positions, (3, *positions.shape))
