"""Where parameters live on the mesh: names of their axes, and what each preset does with a name.

One table names the axes of every parameter of the project by its path, so that random, converted
and restored parameters are placed alike.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

PRESETS: dict[str, dict[str, str]] = {
    "dp": {},
    "fsdp": {"embed": "fsdp", "mlp": "fsdp", "heads": "fsdp", "vocab": "fsdp"},
    "fsdp_tp": {"embed": "fsdp", "mlp": "tensor", "heads": "tensor", "vocab": "tensor"},
}
"""Preset -> name of a parameter's axis -> axis of the mesh that cuts it. An axis that the mesh does
not divide stays whole; then the next axis of that parameter is tried."""

LAST_AXES: tuple[tuple[str, tuple[str | None, ...]], ...] = (
    # Attention: fused queries, keys and values are three blocks side by side, so that their heads
    # cannot be cut in one piece.
    (r"(cross_)?attention/(query|key|value)/kernel", ("embed", "heads")),
    (r"(cross_)?attention/out/kernel", ("heads", "embed")),
    (r"qkv/kernel", ("embed", None)),
    (r"proj/kernel", ("heads", "embed")),
    (r"(lora_a)", ("embed", None)),
    (r"(lora_b)", (None, "embed")),
    # Feed-forward.
    (r"(fc1|proj_in|gate|value|pwconv1|duration_fc1)/kernel", ("embed", "mlp")),
    (r"(fc2|proj_out|mlp_out|pwconv2|duration_fc2)/kernel", ("mlp", "embed")),
    # Other projections and convolutions; taps are never cut.
    (r"(modulation|final_modulation)/kernel", ("embed", "mlp")),
    (r"(context_fc1|context_fc2|patch_embed|text_proj|content_out)/kernel", ("embed", None)),
    (r"(time_aligned|skip_linear|final_linear|final_conv|predict)/kernel", ("embed", None)),
    (r"(embed|out|conv_?\d+)/kernel", ("embed", None)),
    (r"dwconv/kernel", (None, "embed")),
    (r"upsampler/kernel", ("embed", None, None)),
    # Tables.
    (r"token_embed/embedding", ("vocab", "embed")),
    (r"(special_token_embed|relative_bias)/embedding", (None, None)),
    (r"(time_pos_embed|decoder_pos_embed|instruction)", (None, "embed")),
    # Vectors.
    (r"(bias|scale|mean|var|gamma|freq_pos_embed|mask_token|no_time_aligned|no_context)", (None,)),
)
"""(end of a path, names of the last axes). Axes before them (layers, taps of a convolution) are
never cut. The first row that fits counts."""

LARGE_BYTES = 1 << 20


class Replicated(NamedTuple):
    """A parameter of which every device holds a whole copy."""

    name: str
    shape: tuple[int, ...]
    bytes: int


def parameter_axes(name: str, ndim: int) -> tuple[str | None, ...]:
    """The name of every axis of a parameter.

    Args:
      name: its "/"-joined path.
      ndim: number of axes.

    Raises:
      ValueError: no row of the table fits.
    """
    for pattern, axes in LAST_AXES:
        if re.search(rf"(^|/)({pattern})$", name) and ndim >= len(axes):
            return (None,) * (ndim - len(axes)) + axes
    raise ValueError(
        f"parameter {name!r} with {ndim} axes: no row of sharding/parameters.py names its axes"
    )


def parameter_spec(
    name: str, shape: Sequence[int], mesh_shape: Mapping[str, int], preset: str
) -> P:
    """How a preset cuts one parameter.

    Args:
      name: its "/"-joined path.
      shape: its shape.
      mesh_shape: size of each axis of the mesh.
      preset: a key of `PRESETS`.

    Raises:
      ValueError: the preset or the parameter is unknown.
    """
    if preset not in PRESETS:
        raise ValueError(f"sharding={preset!r}: expected one of {sorted(PRESETS)}")
    spec: list[str | None] = []
    for axis, size in zip(parameter_axes(name, len(shape)), shape, strict=True):
        target = PRESETS[preset].get(axis) if axis else None
        if target in spec or target is None or size % mesh_shape[target]:
            target = None
        spec.append(target)
    return P(*spec)


def tree_shardings(tree: Any, mesh: Mesh, preset: str) -> Any:
    """The sharding of every leaf of a parameter tree, or of a state that holds such trees.

    Optimizer moments and averages are placed like the parameters that they belong to; anything
    that stands outside a parameter tree (counters) is on every device.

    Args:
      tree: arrays or their shapes.
      mesh: a mesh with the axes of `sharding.mesh`.
      preset: a key of `PRESETS`.
    """

    def sharding(path: tuple, leaf: Any) -> NamedSharding:
        name = parameter_name(path)
        if not name or not leaf.shape:
            return NamedSharding(mesh, P())
        return NamedSharding(mesh, parameter_spec(name, leaf.shape, mesh.shape, preset))

    return jax.tree_util.tree_map_with_path(sharding, tree)


def parameter_name(path: tuple) -> str:
    """The "/"-joined path inside the innermost dict tree, "" outside of any."""
    names: list[str] = []
    for key in reversed(path):
        if not isinstance(key, jax.tree_util.DictKey):
            break
        names.append(str(key.key))
    return "/".join(reversed(names))


def large_replicated(tree: Any, shardings: Any) -> list[Replicated]:
    """Every array of more than a MiB that is not cut at all, the largest first."""
    found = []
    paths = jax.tree_util.tree_flatten_with_path(tree)[0]
    for (path, leaf), sharding in zip(paths, jax.tree.leaves(shardings), strict=True):
        size = math.prod(leaf.shape) * leaf.dtype.itemsize
        if size > LARGE_BYTES and sharding.is_fully_replicated:
            found.append(Replicated(jax.tree_util.keystr(path), tuple(leaf.shape), size))
    return sorted(found, key=lambda row: -row.bytes)
