"""Between the named tensors of a checkpoint and a parameter tree, by its layout."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.aligned import in_order
from audiogen_jax.checkpoints.layout import (
    Buffer,
    Layout,
    Rule,
    file_dtype,
    flat_leaves,
    stacked_path,
)
from audiogen_jax.types import Params, parse_dtype

Put: TypeAlias = Callable[[np.ndarray], np.ndarray | jax.Array]
"""What is done with each array as it is read, such as `jax.device_put`."""


def on_host(value: np.ndarray) -> np.ndarray:
    """The `Put` that leaves arrays where they are read."""
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

    def verify(self) -> None:
        """Waits until what was read is known to be what was written.

        Raises:
          ValueError: it is not; the file is named.
        """
        ...

    def layout(self, released: Layout) -> Layout:
        """Where this file has the parameters that a release keeps as `released` says."""
        ...


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

    Raises:
      ValueError: after the last one, if the files are not what was written.
    """
    flat = flat_leaves(template)
    for rule in layout.rules:
        leaves = [flat[stacked_path(path)] for path in rule.params]
        for layer in rule.layers(leaves[0].shape):
            values = _read(file, rule, layer, leaves)
            for path in rule.params:
                yield Leaf(path, layer, values.pop(0))
    file.verify()


def stack_layers(leaves: Iterable[Leaf], template: Params, put: Put = on_host) -> Params:
    """A parameter tree with stacked layers, as modules have it.

    Args:
      leaves: from `import_params`.
      template: shapes and dtypes of the tree.
      put: what is done with each whole parameter.
    """
    flat = flat_leaves(template)
    params: dict[str, np.ndarray | jax.Array] = {}
    stacks: dict[str, np.ndarray] = {}
    for path, layer, value in leaves:
        path = stacked_path(path)
        if layer is not None:
            shape = flat[path].shape
            if layer == 0:
                stacks[path] = np.empty(shape, value.dtype)
            stacks[path][layer] = value
            if layer < shape[0] - 1:
                continue
            value = stacks.pop(path)
        params[path] = put(value)
        del value  # before the next one is read
    return unflatten_dict(params, sep="/")


def split_layers(leaves: Iterable[Leaf], put: Put = on_host) -> Params:
    """A parameter tree whose layers are trees of their own, under the names "0", "1", …

    Args:
      leaves: from `import_params`.
      put: what is done with each layer and each parameter without layers.
    """
    params: dict[str, np.ndarray | jax.Array] = {}
    for path, layer, value in leaves:
        if "{i}" in path and layer is None:  # the file holds the whole stack
            params |= {path.replace("{i}", str(i)): put(piece) for i, piece in enumerate(value)}
        else:
            params[path.replace("{i}", str(layer))] = put(value)
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

    Raises:
      ValueError: a parameter is not finite; see `check_finite`.
    """
    flat = flatten_dict(params, sep="/")
    for rule in layout.rules:
        values = [np.asarray(flat[stacked_path(path)]) for path in rule.params]
        for layer in rule.layers(values[0].shape):
            pieces = [rule.to_tensor(value if layer is None else value[layer]) for value in values]
            tensor = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
            with np.errstate(over="ignore"):
                tensor = tensor.astype(file_dtype(tensor.dtype, dtype), copy=False)
            check_finite(rule.name(layer), tensor)
            yield rule.name(layer), tensor
    for buffer in layout.buffers:
        yield buffer.tensor, buffer.value.astype(file_dtype(buffer.value.dtype, dtype))


def check_finite(name: str, tensor: np.ndarray | jax.Array) -> None:
    """Checks what is about to be written: a model of NaN or infinite numbers is none.

    Raises:
      ValueError: the tensor has such numbers.
    """
    if not jnp.issubdtype(tensor.dtype, jnp.floating):
        return
    if count := np.size(tensor) - int(np.isfinite(tensor).sum()):
        most = float(jnp.finfo(tensor.dtype).max)
        raise ValueError(
            f"{name}: {count} of {np.size(tensor)} numbers are NaN or beyond {most:.5g}, the "
            f"largest {tensor.dtype}: nothing is written of a model that is not finite"
        )


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
        with np.errstate(over="ignore"):
            cast = in_order(value, leaf.dtype)
        if leaf.dtype == np.float16 and tensor.dtype != np.float16:
            check_finite(f"{file.path}: {rule.name(layer)}", cast)
        values.append(cast)
    return values


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
            f"{path} does not fit its configuration: missing tensors {_first(missing)}; "
            f"surplus tensors {_first(surplus)}; misshapen tensors {_first(misshapen)}"
        )


def _first(names: list[str], most: int = 20) -> list[str]:
    """A list that fits in one line."""
    return names if len(names) <= most else [*names[:most], f"and {len(names) - most} more"]


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
