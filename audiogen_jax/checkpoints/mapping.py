"""Between the named tensors of a checkpoint and a parameter tree, by one table read both ways."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from audiogen_jax.types import Params


class TensorFile(Protocol):
    """A checkpoint whose tensors are read one at a time."""

    path: Path

    def shapes(self) -> dict[str, tuple[int, ...]]: ...
    def read(self, name: str) -> np.ndarray: ...
    def check_floating(self, names: Collection[str]) -> None: ...


@dataclass(frozen=True)
class Rule:
    """One parameter and the tensors that hold it.

    Attributes:
      tensor: name of the tensor; "{i}" stands for the layer of a stacked parameter, whose layers
        are tensors of their own.
      param: path of the parameter, or paths of parameters that the tensor packs along its first
        axis.
      axes: order of the axes in the tensor and in the parameter, one letter each and "1" for an
        axis of length 1 that the parameter does not have: "oi1->io".
      tensor_shape: shape of the tensor, needed where the parameter merges several of its axes.
    """

    tensor: str
    param: str | tuple[str, ...]
    axes: str = "a->a"
    tensor_shape: tuple[int, ...] | None = None

    @property
    def params(self) -> tuple[str, ...]:
        return (self.param,) if isinstance(self.param, str) else self.param

    def names(self, stacked_shape: Sequence[int]) -> list[str]:
        """The tensors of a parameter of this shape."""
        if "{i}" not in self.tensor:
            return [self.tensor]
        return [self.tensor.replace("{i}", str(i)) for i in range(stacked_shape[0])]

    def to_param(self, tensor: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """One layer's tensor as a parameter of the given shape."""
        source, target = self._axes()
        kept = tensor.squeeze(tuple(i for i, axis in enumerate(self._letters) if axis == "1"))
        return kept.transpose([source.index(axis) for axis in target]).reshape(shape)

    def to_tensor(self, param: np.ndarray) -> np.ndarray:
        """The inverse of `to_param`."""
        source, target = self._axes()
        if self.tensor_shape is not None:
            sizes = dict(zip(self._letters, self.tensor_shape, strict=True))
            param = param.reshape([sizes[axis] for axis in target])
        kept = param.transpose([target.index(axis) for axis in source])
        return np.expand_dims(kept, [i for i, axis in enumerate(self._letters) if axis == "1"])

    def shape_of(self, param: jax.ShapeDtypeStruct, layered: bool) -> tuple[int, ...]:
        """Shape of the tensor (of one of its layers) that holds a parameter."""
        if self.tensor_shape is not None:
            return self.tensor_shape
        _, target = self._axes()
        sizes = dict(zip(target, param.shape[layered:], strict=True)) | {"1": 1}
        return tuple(sizes[axis] for axis in self._letters)

    @property
    def _letters(self) -> str:
        return self.axes.split("->")[0]

    def _axes(self) -> tuple[str, str]:
        source, target = self.axes.split("->")
        return source.replace("1", ""), target


@dataclass(frozen=True)
class Buffer:
    """A tensor of the checkpoint that follows from the configuration.

    Attributes:
      tensor: its name.
      value: what is written; on reading, the file must hold the same to within `tolerance`.
      tolerance: absolute; None accepts any value of the right shape.
    """

    tensor: str
    value: np.ndarray
    tolerance: float | None = 5e-3


def check_tensors(
    file: TensorFile,
    rules: Sequence[Rule],
    buffers: Sequence[Buffer],
    template: Params,
    ignore: str = "",
) -> None:
    """Checks that a checkpoint holds exactly the tensors of a model, reading buffers alone.

    Args:
      file: the checkpoint.
      rules: where every parameter of `template` is.
      buffers: what else there is.
      template: shapes of the parameters.
      ignore: regular expression of tensors that may be there and are not used.

    Raises:
      ValueError: tensors are missing, surplus, misshapen, no floating-point numbers or not what
        the configuration implies; all of them in one message.
    """
    shapes = flatten_dict(template, sep="/")
    expected = {name: shape for rule in rules for name, shape in _tensors(rule, shapes)}
    parameters = list(expected)
    expected |= {buffer.tensor: buffer.value.shape for buffer in buffers}
    found = file.shapes()
    if ignore:
        found = {n: s for n, s in found.items() if n in expected or not re.fullmatch(ignore, n)}
    _check_names(file.path, expected, found)
    file.check_floating(parameters)
    _check_buffers(file, buffers)


def import_params(
    file: TensorFile,
    rules: Sequence[Rule],
    template: Params,
    *,
    place: Callable[[np.ndarray], Any] = lambda value: value,
    only: Collection[str] = (),
    apart: Collection[str] = (),
) -> dict[str, Any]:
    """Reads a parameter tree from a checkpoint that `check_tensors` has checked.

    Tensors are read one parameter at a time: beside what `place` returned, no more than one
    parameter is in memory.

    Args:
      file: the checkpoint.
      rules: where every parameter of `template` is.
      template: shapes and dtypes to make, from `jax.eval_shape` of the model's init.
      place: what is done with each array, such as `jax.device_put`.
      only: top-level names to read; all if empty.
      apart: paths of stacks ("dit/in_blocks") whose layers become trees of their own, under the
        names "0", "1", …

    Returns:
      Nested dicts of what `place` returned.
    """
    shapes = flatten_dict(template, sep="/")
    params: dict[str, Any] = {}
    for rule in rules:
        if only and rule.params[0].split("/")[0] not in only:
            continue
        parts = [shapes[path] for path in rule.params]
        names = rule.names(parts[0].shape)
        layered = "{i}" in rule.tensor
        stack = next((one for one in apart if rule.params[0].startswith(f"{one}/")), None)
        if layered and stack is None:
            arrays = [np.empty(part.shape, part.dtype) for part in parts]
            for i, name in enumerate(names):
                for array, piece in zip(arrays, np.split(file.read(name), len(parts)), strict=True):
                    array[i] = rule.to_param(piece, array.shape[1:])
            params |= {path: place(a) for path, a in zip(rule.params, arrays, strict=True)}
            continue
        if stack is not None and not layered:  # the file holds the whole stack
            array = file.read(names[0]).astype(parts[0].dtype, copy=False)
            own = rule.params[0].removeprefix(stack)
            params |= {f"{stack}/{i}{own}": place(layer) for i, layer in enumerate(array)}
            continue
        for i, name in enumerate(names):
            pieces = np.split(file.read(name), len(parts)) if parts[0].shape else [file.read(name)]
            for path, part, piece in zip(rule.params, parts, pieces, strict=True):
                shape = part.shape[layered:]
                own = f"{stack}/{i}{path.removeprefix(stack)}" if layered else path
                params[own] = place(rule.to_param(piece, shape).astype(part.dtype, order="C"))
    return unflatten_dict(params, sep="/")


def export_params(
    params: Params, rules: Sequence[Rule], buffers: Sequence[Buffer]
) -> Iterator[tuple[str, np.ndarray]]:
    """Name and value of every tensor of a checkpoint: the inverse of `import_params`."""
    flat = flatten_dict(params, sep="/")
    for rule in rules:
        parts = [np.asarray(flat[path]) for path in rule.params]
        for i, name in enumerate(rule.names(parts[0].shape)):
            layers = [part[i] if "{i}" in rule.tensor else part for part in parts]
            yield name, np.concatenate([rule.to_tensor(layer) for layer in layers])
    yield from ((buffer.tensor, buffer.value) for buffer in buffers)


def with_dtype(template: Params, dtype: Any) -> Params:
    """The same shapes in one dtype."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, dtype), template)


def tensor_shapes(
    template: Params, rules: Sequence[Rule], buffers: Sequence[Buffer]
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors that `export_params` would make, without any values."""
    shapes = flatten_dict(template, sep="/")
    named = {name: shape for rule in rules for name, shape in _tensors(rule, shapes)}
    return named | {buffer.tensor: buffer.value.shape for buffer in buffers}


def _tensors(
    rule: Rule, shapes: Mapping[str, jax.ShapeDtypeStruct]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    first = shapes[rule.params[0]]
    shape = rule.shape_of(first, layered="{i}" in rule.tensor)
    for name in rule.names(first.shape):
        yield name, (shape[0] * len(rule.params), *shape[1:]) if shape else ()


def _check_names(
    path: Path, expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> None:
    missing = sorted(expected.keys() - found.keys())
    surplus = sorted(found.keys() - expected.keys())
    misshapen = [
        f"{name} is {found[name]} instead of {expected[name]}"
        for name in sorted(expected.keys() & found.keys())
        if tuple(found[name]) != tuple(expected[name])
    ]
    if missing or surplus or misshapen:
        raise ValueError(
            f"{path} does not fit its configuration: missing tensors {missing}; "
            f"surplus tensors {surplus}; misshapen tensors {misshapen}"
        )


def _check_buffers(file: TensorFile, buffers: Sequence[Buffer]) -> None:
    wrong = []
    for buffer in buffers:
        if buffer.tolerance is None:
            continue
        error = np.abs(file.read(buffer.tensor).astype(np.float64) - buffer.value)
        if error.size and not error.max() <= buffer.tolerance:
            wrong.append(f"{buffer.tensor} is off by {error.max():.3g}")
    if wrong:
        raise ValueError(f"{file.path} was made with other constants: {wrong}")
