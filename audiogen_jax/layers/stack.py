"""A stack of equal blocks: one compiled body, parameters with a leading layer axis."""

from typing import TypedDict

import flax.linen as nn
import jax


class StackOptions(TypedDict):
    """Keywords of `stack` that models hand through."""

    remat: str | None
    unroll: bool


def stack(
    block: type[nn.Module],
    length: int,
    *,
    remat: str | None = None,
    unroll: bool = False,
    broadcast: int = 0,
) -> type[nn.Module]:
    """Repeats `block` with `nn.scan`, every layer with parameters of its own.

    The block is called as `block(carry, layer_input, *broadcast) -> (carry, layer_output)`:
    `layer_input` and `layer_output` gain a leading layer axis outside (both may be None).

    Args:
      block: the module class of one layer.
      length: number of layers.
      remat: None keeps every activation for the backward pass; otherwise the name of a policy
        of `jax.checkpoint_policies`, such as "nothing_saveable" or "dots_saveable".
      unroll: repeat the body in the compiled program instead of looping over it. The parameter
        tree and the numbers stay the same; easier to debug and profile, slower to compile.
      broadcast: how many further arguments every layer shares.

    Raises:
      ValueError: `remat` names no policy.
    """
    if remat is not None:
        policy = getattr(jax.checkpoint_policies, remat, None)
        if policy is None:
            raise ValueError(
                f"remat={remat!r} is not a policy of jax.checkpoint_policies; "
                "try 'nothing_saveable' or 'dots_saveable'"
            )
        block = nn.remat(block, prevent_cse=False, policy=policy)  # pyright: ignore
    return nn.scan(  # pyright: ignore[reportReturnType]
        block,
        variable_axes={"params": 0},
        split_rngs={"params": True},
        in_axes=(0, *(nn.broadcast,) * broadcast),  # pyright: ignore[reportArgumentType]
        length=length,
        unroll=length if unroll else 1,
        check_constancy_invariants=False,  # would trace the block once more
    )
