"""The DiT as a sampler runs it: all that the noisy latents do not reach is computed beforehand.

Per clip: cross-attention keys and values, time-aligned content, the constant that cross-attention
gives a clip without text. Per noise level: every modulation (adaLN). The blocks are a Python loop
over their own parameters rather than a scan: XLA's CPU backend would copy each layer out of the
stacked arrays at every step, 15 % of the time at the published width.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from audiogen_jax.flow.flow_map import Jump
from audiogen_jax.layers.apply import after, apply
from audiogen_jax.models.audiogen.dit import DiT, DiTBlock, TextCache
from audiogen_jax.types import Latents, Params, TokenMask


class LevelCache(NamedTuple):
    """What one noise level is to the DiT.

    Attributes:
      modulation: of every block.
      final: of the last norm.
    """

    modulation: tuple[Float[Array, "... six_d"], ...]
    final: Float[Array, "... two_d"]


def unstack_blocks(params: Params) -> Params:
    """Parameters of a DiT with a tuple of blocks (in, mid, out) in place of two stacks.

    Args:
      params: of a DiT; its stacks may be apart already, as a loader leaves them, or all be so.
    """
    ends = {k: v for k, v in params.items() if k not in ("in_blocks", "mid_block", "out_blocks")}
    if "blocks" in params:
        return dict(params)
    blocks = (
        *_unstack(params["in_blocks"]), params["mid_block"], *_unstack(params["out_blocks"])
    )  # fmt: skip
    return {**ends, "blocks": blocks}


def _unstack(stacked: Params) -> list[Params]:
    if "0" in stacked:
        return [stacked[str(i)] for i in range(len(stacked))]
    depth = len(jax.tree.leaves(stacked)[0])
    return [jax.tree.map(lambda leaf, i=i: leaf[i], stacked) for i in range(depth)]


def prepare_text(
    dit: DiT,
    params: Params,
    context: Float[Array, "b l e"],
    time_aligned: Float[Array, "rows _ e2"],
) -> tuple[TextCache, ...]:
    """What every block makes of the texts.

    Args:
      dit: the module.
      params: from `unstack_blocks`.
      context: adapted text of the clips that have one.
      time_aligned: content of every frame, or of all at once; `rows - b` clips without text first.
    """
    embedded = _ends(dit, params, context, method="embed_context")
    empty = None
    if time_aligned.shape[0] > context.shape[0]:
        empty = _ends(dit, params, jnp.zeros_like(context[0, 0]), method="embed_context")
    block, caches = _block(dit), []
    for layer in params["blocks"]:
        layer = after(caches[-1].value if caches else embedded, layer)
        cache = apply(block, layer, embedded, time_aligned, empty, method="prepare")
        caches.append(cache)
    return tuple(caches)


def prepare_levels(
    dit: DiT, params: Params, timesteps: Float[Array, " n"], jump: Jump | None = None
) -> LevelCache:
    """Modulations of all noise levels that a sampler will visit; a leading axis n in every leaf.

    Args:
      dit: the module.
      params: from `unstack_blocks`.
      timesteps: 1000 sigma.
      jump: from each of them, of a distilled network.
    """
    time = _ends(dit, params, timesteps, jump, method="embed_time")
    block, modulation = _block(dit), []
    for layer in params["blocks"]:
        layer = after(modulation[-1] if modulation else time, layer)
        modulation.append(apply(block, layer, time, method="modulate"))
    final = _ends(dit, params, time, method="modulate_final")
    return LevelCache(tuple(modulation), final)


def cached_velocity(
    dit: DiT,
    params: Params,
    text: Sequence[TextCache],
    context_mask: TokenMask,
    x_mask: Bool[Array, "rows t"] | None,
    unmasked_final_convolution: bool = False,
    beside: Float[Array, "rows t d"] | None = None,
) -> Callable[[Latents, LevelCache], Latents]:
    """The velocity as a function of noisy latents and one noise level.

    Args:
      dit: the module.
      params: from `unstack_blocks`.
      text: from `prepare_text`.
      context_mask: True at tokens, of the clips that have a text.
      x_mask: True at valid frames, of every row.
      unmasked_final_convolution, beside: see `DiT`.
    """
    block, half = _block(dit), len(params["blocks"]) // 2

    def velocity(x: Latents, level: LevelCache) -> Latents:
        h, skips = _ends(dit, params, x, beside, method="embed_latents"), []
        for i, layer in enumerate(params["blocks"]):
            skip = skips.pop() if i > half else None
            layer = after(h, layer)
            modulation = level.modulation[i][None, None]
            h = apply(
                block, layer, h, skip, modulation, text[i], x_mask, context_mask, method="forward"
            )
            if i < half:
                skips.append(h)
        final_mask = None if unmasked_final_convolution else x_mask
        return _ends(dit, params, h, level.final[None, None], final_mask, method="project")

    return velocity


def _block(dit: DiT) -> DiTBlock:
    return DiTBlock(dit.config, dtype=dit.dtype, param_dtype=dit.param_dtype)


def _ends(dit: DiT, params: Params, *args, method: str) -> jax.Array:
    """A method of the DiT that needs none of its blocks."""
    ends = {name: value for name, value in params.items() if name != "blocks"}
    return apply(dit, ends, *args, method=method)
