"""Linen modules as functions of their parameters."""

from typing import Any

import flax.linen as nn
import jax
from jaxtyping import Array, PRNGKeyArray

from audiogen_jax.types import Params


def apply(
    module: nn.Module,
    params: Params,
    *args: object,
    method: str = "__call__",
    rngs: dict[str, PRNGKeyArray] | None = None,
) -> Any:  # what the method returns
    """Calls a method of a module that has no state beside its parameters.

    Args:
      module: not bound.
      params: of the module, without the "params" that Linen puts around them.
      *args: of the method.
      method: its name.
      rngs: keys of the random streams that it draws from, such as "dropout".
    """
    return module.apply({"params": params}, *args, method=method, rngs=rngs)


def after(value: Array, layer: Params) -> Params:
    """`layer`, if its weights rest in half precision made to wait for `value` to be known.

    XLA's CPU backend widens such weights before it multiplies, and would widen those of all blocks
    at the start, a float32 copy of the whole model. It drops optimization barriers, but not this.
    Other backends need no such copy, and this would cost them one of each layer.
    """
    if jax.default_backend() != "cpu":
        return layer
    zero = 0 * value.ravel()[0]
    return jax.tree.map(
        lambda leaf: leaf + zero.astype(leaf.dtype) if leaf.dtype.itemsize < 4 else leaf, layer
    )
