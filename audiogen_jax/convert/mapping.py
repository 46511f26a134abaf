"""Declarative correspondence between a HF state dict and a Linen parameter tree.

A `Rule` pairs one tensor name (or, with `{i}`, one name per layer) with one parameter path and the
axis order of the torch tensor. A `Constant` is a tensor the release stores but never learns.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from flax import traverse_util

from audiogen_jax.types import Params


@dataclasses.dataclass(frozen=True)
class Rule:
    """One parameter.

    Attributes:
      hf: HF tensor name; `{i}` stands for the layer number of a stacked parameter.
      path: "/"-separated path in the parameter tree.
      axes: for each torch axis, the axis it becomes; None keeps the order.
      torch_shape: shape of the torch tensor where it differs from the permuted parameter by axes
        of size one or by merged axes; a function of the parameter's shape (without layer axis).
    """

    hf: str
    path: str
    axes: tuple[int, ...] | None = None
    torch_shape: Callable[[tuple[int, ...]], tuple[int, ...]] | None = None

    def to_torch(self, value: np.ndarray) -> np.ndarray:
        """One layer's parameter as the torch tensor."""
        shape = self.torch_shape(value.shape) if self.torch_shape else None
        if self.axes is None:
            return value if shape is None else value.reshape(shape)
        # `axes` maps torch axes to parameter axes, so transposing by it yields the torch order.
        if shape is None:
            return value.transpose(self.axes)
        unmerged = tuple(np.take(shape, np.argsort(self.axes)))
        return value.reshape(unmerged).transpose(self.axes)

    def from_torch(self, tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The inverse of `to_torch`; `shape` is the parameter's shape without the layer axis."""
        if self.axes is not None:
            tensor = tensor.transpose(np.argsort(self.axes))
        return tensor.reshape(shape)

    def expected(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the torch tensor for a parameter of `shape`."""
        return self.to_torch(np.broadcast_to(np.float32(0), shape)).shape


@dataclasses.dataclass(frozen=True)
class Constant:
    """A stored tensor that follows from the configuration; written on export, checked on import."""

    hf: str
    value: np.ndarray


LINEAR = (1, 0)  # torch [out, in] <- kernel [in, out]
CONV = (2, 1, 0)  # torch [out, in, k] <- kernel [k, in, out]


def linear(hf: str, path: str, bias: bool = True) -> list[Rule]:
    """Rules of a torch Linear stored as a Linen Dense."""
    rules = [Rule(f"{hf}.weight", f"{path}/kernel", LINEAR)]
    return [*rules, Rule(f"{hf}.bias", f"{path}/bias")] if bias else rules


def conv(hf: str, path: str) -> list[Rule]:
    """Rules of a torch Conv1d stored as a Linen Conv."""
    return [Rule(f"{hf}.weight", f"{path}/kernel", CONV), Rule(f"{hf}.bias", f"{path}/bias")]


def norm(hf: str, path: str, bias: bool = True) -> list[Rule]:
    """Rules of a torch LayerNorm (or, without bias, RMSNorm)."""
    rules = [Rule(f"{hf}.weight", f"{path}/scale")]
    return [*rules, Rule(f"{hf}.bias", f"{path}/bias")] if bias else rules


def expected_tensors(
    shapes: Params, rules: Sequence[Rule], constants: Sequence[Constant]
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the state dict that a parameter tree corresponds to.

    Args:
      shapes: the parameter tree, or its `jax.eval_shape`.
      rules: must cover every parameter exactly once.
      constants: the stored tensors that are no parameters.

    Raises:
      ValueError: a parameter has no rule, or a rule no parameter.
    """
    flat = traverse_util.flatten_dict(shapes, sep="/")
    by_path = {rule.path: rule for rule in rules}
    if flat.keys() != by_path.keys():
        raise ValueError(
            f"parameters without a rule: {sorted(flat.keys() - by_path.keys())}; "
            f"rules without a parameter: {sorted(by_path.keys() - flat.keys())}"
        )
    tensors = {constant.hf: constant.value.shape for constant in constants}
    for path, leaf in flat.items():
        rule = by_path[path]
        if "{i}" in rule.hf:
            shape = rule.expected(leaf.shape[1:])
            tensors |= {rule.hf.format(i=i): shape for i in range(leaf.shape[0])}
        else:
            tensors[rule.hf] = rule.expected(leaf.shape)
    return tensors


def check_tensors(
    found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]], source: str
) -> None:
    """Compares names and shapes.

    Raises:
      ValueError: lists every missing, surplus and misshapen tensor at once.
    """
    missing = sorted(expected.keys() - found.keys())
    surplus = sorted(found.keys() - expected.keys())
    misshapen = [
        f"{name} {list(found[name])} (expected {list(expected[name])})"
        for name in sorted(expected.keys() & found.keys())
        if tuple(found[name]) != tuple(expected[name])
    ]
    if missing or surplus or misshapen:
        raise ValueError(
            f"{source} does not match its config.json: "
            f"{len(missing)} missing {missing}; {len(surplus)} surplus {surplus}; "
            f"{len(misshapen)} misshapen {misshapen}"
        )


def check_constants(
    tensor: Callable[[str], np.ndarray], constants: Sequence[Constant], source: str
) -> None:
    """Checks that the stored constants are the ones this code computes.

    Raises:
      ValueError: names every constant that differs (counters aside) by more than rounding.
    """
    different = [
        constant.hf
        for constant in constants
        if np.issubdtype(constant.value.dtype, np.floating)
        and not np.allclose(tensor(constant.hf), constant.value, atol=2e-5)
    ]
    if different:
        raise ValueError(f"{source}: stored constants differ from this model's: {different}")


def from_state_dict(
    tensor: Callable[[str], np.ndarray],
    shapes: Params,
    rules: Sequence[Rule],
    dtype: Any = np.float32,
) -> dict[str, Any]:
    """Builds the parameter tree, reading every tensor once.

    Args:
      tensor: reads one tensor by its HF name.
      shapes: the parameter tree as shapes (`jax.eval_shape` of init).
      rules: as for `expected_tensors`, already checked against the file.
      dtype: of the parameters.
    """
    flat = traverse_util.flatten_dict(shapes, sep="/")
    values = {}
    for rule in rules:
        shape = flat[rule.path].shape
        if "{i}" in rule.hf:
            value = np.empty(shape, dtype)
            for i in range(shape[0]):
                value[i] = rule.from_torch(tensor(rule.hf.format(i=i)), shape[1:])
        else:
            value = np.ascontiguousarray(rule.from_torch(tensor(rule.hf), shape), dtype)
        values[rule.path] = value
    return traverse_util.unflatten_dict(values, sep="/")


def to_state_dict(
    params: Params, rules: Sequence[Rule], constants: Sequence[Constant], dtype: Any = None
) -> dict[str, np.ndarray]:
    """The HF state dict of a parameter tree; floating parameters are cast to `dtype` if given."""
    flat = traverse_util.flatten_dict(params, sep="/")
    tensors = {constant.hf: constant.value for constant in constants}
    for rule in rules:
        value = np.asarray(flat[rule.path])
        value = value if dtype is None else value.astype(dtype)
        if "{i}" in rule.hf:
            for i in range(value.shape[0]):
                tensors[rule.hf.format(i=i)] = np.ascontiguousarray(rule.to_torch(value[i]))
        else:
            tensors[rule.hf] = np.ascontiguousarray(rule.to_torch(value))
    return tensors
