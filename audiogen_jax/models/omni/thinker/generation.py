"""Answers, token by token: the prompt is read once, then one program loops over the tokens."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from audiogen_jax.models.language_model import Decoding
from audiogen_jax.models.omni.thinker.text import KeyValue, TextDecoder
from audiogen_jax.types import Params


class _State(NamedTuple):
    """After `count` tokens of the answers.

    Attributes:
      ids: of the tokens, -1 from the end of an answer on.
      token: the last one, which the decoder has not read.
      position: of it.
      valid: slots to attend to, those of the prompts and of the tokens that were read.
    """

    count: Int[Array, ""]
    ids: Int[Array, "b n"]
    token: Int[Array, " b"]
    position: Int[Array, " b"]
    valid: Bool[Array, "b l"]
    done: Bool[Array, " b"]
    caches: Sequence[KeyValue]


def generate(
    text: TextDecoder,
    params: Params,
    x: Float[Array, "b l d"],
    positions: Int[Array, "3 b l"],
    mask: Bool[Array, "b l"],
    keys: Key[Array, " b"],
    decoding: Decoding,
    stop_ids: Sequence[int],
) -> tuple[Int[Array, "b n"], Bool[Array, "b n"]]:
    """Answers each prompt of a batch.

    Args:
      text: the decoder.
      params: of it, layers apart.
      x: vectors of the prompts' tokens.
      positions: of the tokens.
      mask: True at tokens; padding may stand on either side.
      keys: one for each prompt, so that an answer does not depend on the others.
      decoding: how tokens are chosen.
      stop_ids: tokens that end an answer.

    Returns:
      Tokens, and which of them belong to the answer: all before the one that ends it.
    """
    (b, l), n = mask.shape, decoding.max_tokens
    read, caches = text.read(params, x, positions, mask)
    last = l - 1 - jnp.argmax(mask[:, ::-1], axis=1)

    def choose(
        logits: Float[Array, "b v"], count: Int[Array, ""], said: Int[Array, "b n"]
    ) -> Int[Array, " b"]:
        if decoding.repetition_penalty != 1.0:
            logits = penalised_logits(logits, said, decoding.repetition_penalty)
        if not decoding.temperature:
            return jnp.argmax(logits, axis=-1).astype(jnp.int32)
        draw = jax.vmap(lambda key: jax.random.fold_in(key, count))(keys)
        drawn = jax.vmap(jax.random.categorical)(draw, likely_logits(logits, decoding))
        return drawn.astype(jnp.int32)

    def ends(ids: Int[Array, " b"]) -> Bool[Array, " b"]:
        return jnp.isin(ids, jnp.array(stop_ids, jnp.int32))

    def step(state: _State) -> _State:
        slot = l + state.count - 1
        valid = state.valid.at[:, slot].set(True)
        position = jnp.broadcast_to(state.position[None, :, None], (3, b, 1))
        token = text.embed(params, state.token[:, None])
        y, caches = text.step(params, token, position, valid, state.caches, slot)
        ids = choose(text.logits(params, y[:, 0]), state.count, state.ids)
        done = state.done | ends(ids)
        kept = state.ids.at[:, state.count].set(jnp.where(done, -1, ids))
        return _State(state.count + 1, kept, ids, state.position + 1, valid, done, caches)

    ending = jnp.take_along_axis(read, last[:, None, None], axis=1)[:, 0]
    nothing = jnp.full((b, n), -1, jnp.int32)
    first = choose(text.logits(params, ending), jnp.int32(0), nothing)
    done = ends(first)
    start = _State(
        jnp.int32(1),
        nothing.at[:, 0].set(jnp.where(done, -1, first)),
        first,
        jnp.where(mask, positions, -1).max(axis=(0, 2)) + 1,
        jnp.pad(mask, ((0, 0), (0, n - 1))),  # nothing is made of the last token
        done,
        jax.tree.map(lambda leaf: jnp.pad(leaf, ((0, 0), (0, n - 1), (0, 0), (0, 0))), caches),
    )
    end = jax.lax.while_loop(lambda state: (state.count < n) & ~state.done.all(), step, start)
    return jnp.maximum(end.ids, 0), end.ids >= 0


def penalised_logits(
    logits: Float[Array, "b v"], said: Int[Array, "b n"], penalty: float
) -> Float[Array, "b v"]:
    """Logits that make it less likely that a token is said again.

    Args:
      logits: of the next token.
      said: tokens of each answer, -1 where there is none.
      penalty: see `Decoding`.
    """
    vocabulary = logits.shape[1]
    rows = jnp.arange(len(said))[:, None]
    again = jnp.zeros(logits.shape, bool)
    again = again.at[rows, jnp.where(said < 0, vocabulary, said)].set(True, mode="drop")
    return jnp.where(again, jnp.where(logits > 0, logits / penalty, logits * penalty), logits)


def likely_logits(logits: Float[Array, "b v"], decoding: Decoding) -> Float[Array, "b v"]:
    """Logits at a temperature, -inf of unlikely tokens (https://arxiv.org/abs/1904.09751)."""
    logits = logits / decoding.temperature
    if decoding.top_p == 1.0:
        return logits
    ordered = jnp.sort(logits, axis=-1, descending=True)
    shares = jax.nn.softmax(ordered, axis=-1)
    # A token stays while those before it have less than the share.
    stays = jnp.cumsum(shares, axis=-1) - shares < decoding.top_p
    least = jnp.where(stays, ordered, jnp.inf).min(axis=-1, keepdims=True)
    return jnp.where(logits >= least, logits, -jnp.inf)
