"""Floating-point operations of a traced function, loops counted as often as they run."""

import math
from collections.abc import Mapping
from typing import Protocol

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var
from jaxtyping import PyTree


class Traceable(Protocol):
    """What `jax.jit` returns, as far as it is needed here."""

    def trace(self, *args: PyTree) -> jax.stages.Traced: ...


def matmul_flops(function: Traceable, *args: PyTree) -> float:
    """Multiplications and additions of all matrix products and convolutions.

    Nothing runs: arguments may be shapes. XLA's own count sees the body of a loop once.

    Args:
      function: jitted, so that a trace which is needed anyway is made once.
      *args: arrays or their shapes.

    Raises:
      ValueError: a `while` loop, whose number of rounds is unknown, holds a product.
    """
    return _flops(function.trace(*args).jaxpr.jaxpr)


def _flops(jaxpr: Jaxpr) -> float:
    return sum(_equation_flops(equation) for equation in jaxpr.eqns)


def _equation_flops(equation: JaxprEqn) -> float:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        (contracting, _), _ = params["dimension_numbers"]
        left, result = _shape(equation.invars[0]), _shape(equation.outvars[0])
        return 2.0 * math.prod(result) * math.prod(left[axis] for axis in contracting)
    if name == "conv_general_dilated":
        kernel = _shape(equation.invars[1])
        out_features = kernel[params["dimension_numbers"].rhs_spec[0]]
        return 2.0 * math.prod(_shape(equation.outvars[0])) * math.prod(kernel) / out_features
    if name.startswith("dot_product_attention"):  # cuDNN's, [b t h k] and [b l h k]
        query, key = _shape(equation.invars[0]), _shape(equation.invars[1])
        products = 4 if "bwd" in name else 2
        return products * 2.0 * math.prod(query) * key[1]
    inner = [_flops(jaxpr) for jaxpr in _inner(params)]
    if name == "scan":
        return params["length"] * sum(inner)
    if name == "cond":
        return max(inner)
    if name == "while" and sum(inner):
        raise ValueError("a while loop with matrix products: its FLOPs cannot be counted")
    return sum(inner)


def _shape(variable: Var | Literal) -> tuple[int, ...]:
    return variable.aval.shape  # pyright: ignore[reportAttributeAccessIssue]


def _inner(params: Mapping[str, object]) -> list[Jaxpr]:
    """The jaxprs among the parameters of an equation."""
    inner = []
    for value in params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, ClosedJaxpr):  # of newer versions of jax each is a Jaxpr too
                inner.append(item.jaxpr)
            elif isinstance(item, Jaxpr):
                inner.append(item)
    return inner
