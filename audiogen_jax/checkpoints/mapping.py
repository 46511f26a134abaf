"""Between the named tensors of a checkpoint and a parameter tree, by one table read both ways.

A path names a parameter ("text_proj/kernel"). In the path of a parameter whose layers are stacked
along its first axis, "{i}" stands where the layer's number goes if the layers are trees of their
own: "dit/in_blocks/{i}/mlp/proj_in/kernel" is "dit/in_blocks/mlp/proj_in/kernel" in the stacked
tree.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol, Self, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import DTypeLike

from audiogen_jax.types import Params, parse_dtype

_LAYER = "/{i}"

Place: TypeAlias = Callable[[np.ndarray], np.ndarray | jax.Array]
"""What is done with each array as it is read, such as `jax.device_put`."""


def on_host(value: np.ndarray) -> np.ndarray:
    """The `Place` that leaves arrays where they are read."""
    return value


class TensorFile(Protocol):
    """The weights of a checkpoint folder, in whatever format; tensors are read one at a time."""

    @property
    def path(self) -> Path: ...

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor."""
        ...

    def read(self, name: str) -> np.ndarray:
        """One tensor, in the dtype of the file.

        Raises:
          ValueError: it cannot be read.
        """
        ...

    def check_floating(self, names: Collection[str]) -> None:
        """Raises ValueError naming the tensors that do not hold floating-point numbers."""
        ...

    def layout(self, released: "Layout") -> "Layout":
        """Where this file has the parameters that a release keeps as `released` says."""
        ...


@dataclass(frozen=True)
class Rule:
    """One parameter and the tensors that hold it.

    Attributes:
      tensor: name of the tensor; "{i}" stands for the layer of a stacked parameter, whose layers
        are tensors of their own.
      param: path of the parameter, or paths of parameters that the tensor packs along its first
        axis.
      axes: order of the axes in the tensor and in the parameter, one letter each and "1" for an
        axis of length 1 that the parameter does not have: "oi1->io". Empty if they are the same.
      tensor_shape: shape of the tensor, needed where the parameter merges several of its axes.
    """

    tensor: str
    param: str | tuple[str, ...]
    axes: str = ""
    tensor_shape: tuple[int, ...] | None = None

    @property
    def params(self) -> tuple[str, ...]:
        """The paths in `param`."""
        return (self.param,) if isinstance(self.param, str) else self.param

    @property
    def layered(self) -> bool:
        """Are the layers of the parameter tensors of their own?"""
        return "{i}" in self.tensor

    def layers(self, stacked_shape: Sequence[int]) -> Iterable[int | None]:
        """Numbers of the layers of a parameter of this shape that have tensors; None for all."""
        return range(stacked_shape[0]) if self.layered else (None,)

    def name(self, layer: int | None) -> str:
        """The tensor that holds a layer."""
        return self.tensor if layer is None else self.tensor.replace("{i}", str(layer))

    def to_param(self, tensor: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """One layer's tensor as a parameter of the given shape."""
        if not self.axes:
            return tensor.reshape(shape)
        source, target = self._axes()
        squeezed = tensor.squeeze(tuple(i for i, axis in enumerate(self._letters) if axis == "1"))
        return squeezed.transpose([source.index(axis) for axis in target]).reshape(shape)

    def to_tensor(self, param: np.ndarray) -> np.ndarray:
        """The inverse of `to_param`."""
        if not self.axes:
            return param
        source, target = self._axes()
        if self.tensor_shape is not None:
            sizes = dict(zip(self._letters, self.tensor_shape, strict=True))
            param = param.reshape([sizes[axis] for axis in target])
        squeezed = param.transpose([target.index(axis) for axis in source])
        return np.expand_dims(squeezed, [i for i, axis in enumerate(self._letters) if axis == "1"])

    def param_shape(self, tensor_shape: Sequence[int]) -> tuple[int, ...]:
        """Shape of the parameter that a tensor of this shape holds, if it merges no axes."""
        if not self.axes:
            return tuple(tensor_shape)
        _, target = self._axes()
        sizes = dict(zip(self._letters, tensor_shape, strict=True))
        return tuple(sizes[axis] for axis in target)

    def shape_of(self, param_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the tensor (of one of its layers) that holds parameters of this shape."""
        shape = self.tensor_shape
        if shape is None:
            shape = param_shape[1:] if self.layered else param_shape
            if self.axes:
                _, target = self._axes()
                sizes = dict(zip(target, shape, strict=True)) | {"1": 1}
                shape = tuple(sizes[axis] for axis in self._letters)
        return (shape[0] * len(self.params), *shape[1:]) if shape else ()

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


@dataclass(frozen=True)
class Layout:
    """What a file holds.

    Attributes:
      rules: where every parameter is.
      buffers: what else there is.
      ignore: regular expression of tensors that may be there and are not used.
    """

    rules: tuple[Rule, ...]
    buffers: tuple[Buffer, ...] = ()
    ignore: str = ""

    def only(self, names: Collection[str]) -> Self:
        """The part with these top-level names of parameters."""
        rules = (rule for rule in self.rules if rule.params[0].split("/")[0] in names)
        return replace(self, rules=tuple(rules))

    def by_path(self) -> "Layout":
        """The same parameters, each in a tensor named by its path in the stacked tree."""
        paths = (path for rule in self.rules for path in rule.params)
        return Layout(tuple(Rule(_stacked(path), path) for path in paths))

    def tensors(
        self, params: Params, dtype: str | DTypeLike | None = None
    ) -> dict[str, jax.ShapeDtypeStruct]:
        """Names, shapes and dtypes of the tensors that `export_params` makes, without values.

        Args:
          params: arrays or their shapes, layers stacked.
          dtype: see `export_params`.
        """
        flat = flatten_dict(params, sep="/")
        tensors = {}
        for rule in self.rules:
            leaf = flat[_stacked(rule.params[0])]
            shape = rule.shape_of(leaf.shape)
            tensor = jax.ShapeDtypeStruct(shape, _file_dtype(leaf.dtype, dtype))
            tensors |= {rule.name(layer): tensor for layer in rule.layers(leaf.shape)}
        for buffer in self.buffers:
            kind = _file_dtype(buffer.value.dtype, dtype)
            tensors[buffer.tensor] = jax.ShapeDtypeStruct(buffer.value.shape, kind)
        return tensors


class Leaf(NamedTuple):
    """What is read at a time: a parameter, or one layer of a stacked parameter.

    Attributes:
      path: of the parameter, "{i}" for the layer.
      layer: its number; None for the whole parameter.
      value: the array.
    """

    path: str
    layer: int | None
    value: np.ndarray


def check_tensors(file: TensorFile, layout: Layout, template: Params) -> None:
    """Checks that a checkpoint holds exactly the tensors of a model, reading buffers alone.

    Args:
      file: the checkpoint.
      layout: of this file (`TensorFile.layout`).
      template: shapes of the parameters.

    Raises:
      ValueError: tensors are missing, surplus, misshapen, no floating-point numbers or not what
        the configuration implies; all of them in one message.
    """
    expected = {name: tensor.shape for name, tensor in layout.tensors(template).items()}
    shapes = file.shapes()
    if layout.ignore:
        unused = re.compile(layout.ignore)
        shapes = {n: s for n, s in shapes.items() if n in expected or not unused.fullmatch(n)}
    _check_names(file.path, expected, shapes)
    file.check_floating(expected.keys() - {buffer.tensor for buffer in layout.buffers})
    _check_buffers(file, layout.buffers)


def import_params(file: TensorFile, layout: Layout, template: Params) -> Iterator[Leaf]:
    """Reads the parameters of a checkpoint that `check_tensors` has checked.

    Tensors are read one at a time, and nothing here holds on to what was given away: beside what
    the caller keeps, no more than one parameter is in memory.

    Args:
      file: the checkpoint.
      layout: of this file; see `Layout.only`.
      template: shapes and dtypes to make, layers stacked.

    Yields:
      The parameters, in C order, layer by layer where their layers are tensors of their own.
    """
    flat = flatten_dict(template, sep="/")
    for rule in layout.rules:
        leaves = [flat[_stacked(path)] for path in rule.params]
        for layer in rule.layers(leaves[0].shape):
            values = _read(file, rule, layer, leaves)
            for path in rule.params:
                yield Leaf(path, layer, values.pop(0))


def stack_layers(leaves: Iterable[Leaf], template: Params, place: Place = on_host) -> Params:
    """A parameter tree with stacked layers, as modules have it.

    Args:
      leaves: from `import_params`.
      template: shapes and dtypes of the tree.
      place: what is done with each whole parameter.
    """
    flat = flatten_dict(template, sep="/")
    params: dict[str, np.ndarray | jax.Array] = {}
    stacks: dict[str, np.ndarray] = {}
    for path, layer, value in leaves:
        path = _stacked(path)
        if layer is not None:
            shape = flat[path].shape
            if layer == 0:
                stacks[path] = np.empty(shape, value.dtype)
            stacks[path][layer] = value
            if layer < shape[0] - 1:
                continue
            value = stacks.pop(path)
        params[path] = place(value)
        del value  # before the next one is read
    return unflatten_dict(params, sep="/")


def split_layers(leaves: Iterable[Leaf], place: Place = on_host) -> Params:
    """A parameter tree whose layers are trees of their own, under the names "0", "1", …

    Args:
      leaves: from `import_params`.
      place: what is done with each layer and each parameter without layers.
    """
    params: dict[str, np.ndarray | jax.Array] = {}
    for path, layer, value in leaves:
        if _LAYER in path and layer is None:  # the file holds the whole stack
            for i, piece in enumerate(value):
                params[path.replace("{i}", str(i))] = place(piece)
        else:
            params[path.replace("{i}", str(layer))] = place(value)
        del value  # before the next one is read
    return unflatten_dict(params, sep="/")


def export_params(
    params: Params, layout: Layout, dtype: str | DTypeLike | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """Name and value of every tensor of a checkpoint, in the order of `Layout.tensors`.

    Args:
      params: the stacked tree.
      layout: of the file.
      dtype: floating-point tensors are cast to it; None keeps theirs.
    """
    flat = flatten_dict(params, sep="/")
    for rule in layout.rules:
        values = [np.asarray(flat[_stacked(path)]) for path in rule.params]
        for layer in rule.layers(values[0].shape):
            pieces = [rule.to_tensor(value if layer is None else value[layer]) for value in values]
            tensor = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
            yield rule.name(layer), tensor.astype(_file_dtype(tensor.dtype, dtype), copy=False)
    for buffer in layout.buffers:
        yield buffer.tensor, buffer.value.astype(_file_dtype(buffer.value.dtype, dtype))


def with_dtype(template: Params, dtype: str | DTypeLike) -> Params:
    """The same shapes in one dtype."""
    dtype = parse_dtype(dtype)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, dtype), template)


def _read(
    file: TensorFile, rule: Rule, layer: int | None, leaves: Sequence[jax.ShapeDtypeStruct]
) -> list[np.ndarray]:
    """The parameters (one layer of them) that a tensor packs."""
    tensor = file.read(rule.name(layer))
    pieces = np.split(tensor, len(leaves)) if len(leaves) > 1 else [tensor]
    values = []
    for leaf, piece in zip(leaves, pieces, strict=True):
        value = rule.to_param(piece, leaf.shape[rule.layered :])
        values.append(np.asarray(value, leaf.dtype, order="C"))
    return values


def _file_dtype(own: np.dtype, dtype: str | DTypeLike | None) -> np.dtype:
    return parse_dtype(dtype) if dtype is not None and jnp.issubdtype(own, jnp.floating) else own


def _stacked(path: str) -> str:
    """The path in a tree with stacked layers."""
    return path.replace(_LAYER, "")


def _check_names(
    path: Path, expected: Mapping[str, tuple[int, ...]], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    missing = sorted(expected.keys() - shapes.keys())
    surplus = sorted(shapes.keys() - expected.keys())
    misshapen = [
        f"{name} is {shapes[name]} instead of {expected[name]}"
        for name in sorted(expected.keys() & shapes.keys())
        if tuple(shapes[name]) != tuple(expected[name])
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
