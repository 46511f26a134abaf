"""Where activations live on the mesh, by the names of their axes."""

import jax
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from jaxtyping import Array

ACTIVATION_AXES: dict[str, str | tuple[str, ...] | None] = {
    "batch": ("data", "fsdp"),
    "length": None,  # latent frames, mel frames or text tokens
    "embed": None,
    "mlp": "tensor",
    "heads": "tensor",
    "head_dim": None,
}


def constrain(x: Array, *axes: str) -> Array:
    """Pins an activation to its place, so that the partitioner moves weights and not activations.

    Outside a training mesh (one device, or a sampler's own mesh) nothing happens, but names are
    checked all the same.

    Args:
      x: the activation.
      axes: the name of every axis, a key of `ACTIVATION_AXES`.

    Raises:
      ValueError: a name is unknown, or there are more or fewer names than axes.
    """
    if unknown := [axis for axis in axes if axis not in ACTIVATION_AXES]:
        raise ValueError(f"unknown axes {unknown}: expected names of {sorted(ACTIVATION_AXES)}")
    if len(axes) != x.ndim:
        raise ValueError(f"axes {axes} for an array of shape {x.shape}: expected one name each")
    mesh = jax.sharding.get_abstract_mesh()
    if "fsdp" not in mesh.axis_names or AxisType.Manual in mesh.axis_types:
        return x
    return jax.lax.with_sharding_constraint(x, P(*(ACTIVATION_AXES[axis] for axis in axes)))
