"""The DiT as a sampler runs it: what the noisy latents do not reach is computed beforehand.

Per clip: keys and values of the context, the prefix without its time. Per noise level: the time.
Rows without a context skip cross-attention, which would give them zeros. Why the blocks are a
Python loop: see `models.audiogen.cached_dit`.
"""

from typing import NamedTuple

import jax
from jaxtyping import Array, Bool, Float

from audiogen_jax.layers.apply import after, apply
from audiogen_jax.models.omni.dit import Block, ContextCache, DiT
from audiogen_jax.ops.blocks import in_turns
from audiogen_jax.types import FrameMask, Latents, Params, TokenMask

TOKENS = 512
"""Most that a CPU takes through a feed-forward layer at once: each is eight times as wide there."""


class Cache(NamedTuple):
    """What sampling computes once per clip.

    Attributes:
      blocks: of every block.
      context_mask: True at tokens, of the rows that have a context.
      prefix: of every row, those without a context first.
    """

    blocks: tuple[ContextCache, ...]
    context_mask: TokenMask
    prefix: Float[Array, "rows p d"]


def unstack_blocks(params: Params) -> Params:
    """Parameters of a DiT with a tuple of blocks in place of their stack.

    Args:
      params: of a DiT; its blocks may be apart already, as a loader leaves them.
    """
    blocks = params["blocks"]
    if isinstance(blocks, tuple):
        return dict(params)
    if "0" in blocks:
        apart = [blocks[str(i)] for i in range(len(blocks))]
    else:
        depth = len(jax.tree.leaves(blocks)[0])
        apart = [jax.tree.map(lambda leaf, i=i: leaf[i], blocks) for i in range(depth)]
    return {**params, "blocks": tuple(apart)}


def prepare(
    dit: DiT,
    params: Params,
    context: Float[Array, "b l e"],
    context_mask: TokenMask,
    prefix: Float[Array, "rows p e"],
) -> Cache:
    """What is computed once per clip.

    Args:
      dit: the module.
      params: from `unstack_blocks`.
      context: of the rows that have one.
      context_mask: True at its tokens.
      prefix: of all rows, those without a context first.
    """
    embedded = _ends(dit, params, context, method="embed_context")
    block, caches = _block(dit), []
    for layer in params["blocks"]:
        layer = after(caches[-1].value if caches else embedded, layer)
        caches.append(apply(block, layer, embedded, method="prepare"))
    tokens = _ends(dit, params, prefix, len(prefix), method="embed_prefix")
    return Cache(tuple(caches), context_mask, tokens)


def prepare_levels(dit: DiT, params: Params, sigmas: Float[Array, " n"]) -> Float[Array, "n d"]:
    """What is computed once per noise level."""
    return _ends(dit, params, sigmas, method="embed_time")


def cached_velocity(
    dit: DiT,
    params: Params,
    cache: Cache,
    time: Float[Array, " d"],
    x: Latents,
    x_mask: FrameMask | None,
) -> Latents:
    """The velocity of noisy latents at one noise level.

    Args:
      dit: the module.
      params: from `unstack_blocks`.
      cache: from `prepare`.
      time: from `prepare_levels`, of this level.
      x: noisy latents of every row.
      x_mask: True at their valid frames.
    """
    h: Array
    mask: Bool[Array, "rows _"] | None
    h, mask = _ends(dit, params, cache.prefix + time, x, x_mask, method="join")
    block = _block(dit)
    for layer, of_block in zip(params["blocks"], cache.blocks, strict=True):
        layer = after(h, layer)
        h = apply(block, layer, h, of_block, cache.context_mask, mask, method="attend")
        h = _feed_forward(block, layer, h)
    return _ends(dit, params, h[:, cache.prefix.shape[1] :], method="project")


def _feed_forward(
    block: Block, params: Params, h: Float[Array, "rows _ d"]
) -> Float[Array, "rows _ d"]:
    """Of some tokens after others on a CPU."""

    def of_tokens(h: Float[Array, "rows _ d"], _: Array | None = None) -> Float[Array, "rows _ d"]:
        return apply(block, params, h, method="feed_forward")

    blocks = -(-h.shape[0] * h.shape[1] // TOKENS)
    while h.shape[1] % blocks:
        blocks -= 1  # for equal ones
    if blocks == 1:
        return of_tokens(h)

    def in_blocks(h: Float[Array, "rows _ d"]) -> Float[Array, "rows _ d"]:
        apart = h.reshape(h.shape[0], blocks, -1, h.shape[2]).swapaxes(0, 1)
        return in_turns(of_tokens, apart).swapaxes(0, 1).reshape(h.shape)

    return jax.lax.platform_dependent(h, cpu=in_blocks, default=of_tokens)


def _block(dit: DiT) -> Block:
    return Block(dit.config, dtype=dit.dtype, param_dtype=dit.param_dtype)


def _ends(dit: DiT, params: Params, *args, method: str):
    """A method of the DiT that needs none of its blocks."""
    ends = {name: value for name, value in params.items() if name != "blocks"}
    return apply(dit, ends, *args, method=method)
