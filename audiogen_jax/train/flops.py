"""Floating-point operations of a traced function, loops counted as often as they run."""

import math
from typing import Any


def matmul_flops(function: Any, *args: Any) -> float:
    """Multiplications and additions of all matrix products and convolutions.

    Nothing runs: arguments may be shapes. XLA's own count sees the body of a loop once.

    Args:
      function: jitted, so that a trace which is needed anyway is made once.
      *args: arrays or their shapes.

    Raises:
      ValueError: a `while` loop, whose number of rounds is unknown, holds a product.
    """
    return _flops(function.trace(*args).jaxpr.jaxpr)


def _flops(jaxpr: Any) -> float:
    return sum(_equation_flops(equation) for equation in jaxpr.eqns)


def _equation_flops(equation: Any) -> float:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        (contracting, _), _ = params["dimension_numbers"]
        left, result = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
        return 2.0 * math.prod(result) * math.prod(left[axis] for axis in contracting)
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        out_features = kernel[params["dimension_numbers"].rhs_spec[0]]
        return 2.0 * math.prod(equation.outvars[0].aval.shape) * math.prod(kernel) / out_features
    inner = [_flops(getattr(jaxpr, "jaxpr", jaxpr)) for jaxpr in _inner(params)]
    if name == "scan":
        return params["length"] * sum(inner)
    if name == "cond":
        return max(inner)
    if name == "while" and sum(inner):
        raise ValueError("a while loop with matrix products: its FLOPs cannot be counted")
    return sum(inner)


def _inner(params: dict[str, Any]) -> list[Any]:
    """The jaxprs among the parameters of an equation."""
    found = []
    for value in params.values():
        for one in value if isinstance(value, tuple | list) else (value,):
            if hasattr(one, "eqns") or hasattr(one, "jaxpr"):
                found.append(one)
    return found
