"""Linen modules as functions of their parameters."""

from typing import Any

import flax.linen as nn
from jaxtyping import PRNGKeyArray

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
