"""Where a checkpoint has each parameter: one table for reading and writing.

A path names a parameter ("text_proj/kernel"). In the path of a parameter whose layers are stacked
along its first axis, "{i}" stands where the layer's number goes if the layers are trees of their
own: "dit/in_blocks/{i}/mlp/proj_in/kernel" is "dit/in_blocks/mlp/proj_in/kernel" in the stacked
tree.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict
from jaxtyping import DTypeLike

from audiogen_jax.types import Params, parse_dtype

TENSOR_PREFIX = "tensor_prefix"
"""Field of config.json in the object of a component whose tensors are in the same file: what their
names start with."""


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
        return Layout(tuple(Rule(stacked_path(path), path) for path in paths))

    def tensors(
        self, params: Params, dtype: str | DTypeLike | None = None
    ) -> dict[str, jax.ShapeDtypeStruct]:
        """Names, shapes and dtypes of the tensors that `export_params` makes, without values.

        Args:
          params: arrays or their shapes, layers stacked.
          dtype: see `export_params`.
        """
        flat = flat_leaves(params)
        tensors = {}
        for rule in self.rules:
            leaf = flat[stacked_path(rule.params[0])]
            shape = rule.shape_of(leaf.shape)
            tensor = jax.ShapeDtypeStruct(shape, file_dtype(leaf.dtype, dtype))
            tensors |= {rule.name(layer): tensor for layer in rule.layers(leaf.shape)}
        for buffer in self.buffers:
            kind = file_dtype(buffer.value.dtype, dtype)
            tensors[buffer.tensor] = jax.ShapeDtypeStruct(buffer.value.shape, kind)
        return tensors


def stacked_path(path: str) -> str:
    """The path in a tree with stacked layers."""
    return path.replace("/{i}", "")


def file_dtype(dtype: np.dtype, target: str | DTypeLike | None) -> np.dtype:
    """The dtype in a file of what has `dtype`: if there is a target, floats are cast to it."""
    floating = jnp.issubdtype(dtype, jnp.floating)
    return parse_dtype(target) if floating and target is not None else dtype


def flat_leaves(template: Params) -> dict[str, jax.ShapeDtypeStruct]:
    """The leaves of a tree by their "/"-joined paths: arrays, or their shapes."""
    return cast(dict[str, jax.ShapeDtypeStruct], flatten_dict(template, sep="/"))
