"""Low-rank adapters on attention and feed-forward matrices (https://arxiv.org/abs/2106.09685)."""

import re

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from audiogen_jax.sharding.placement import AxisRules
from audiogen_jax.types import Params, path_name

AXES: AxisRules = ((r".*/lora_a", ("embed", None)), (r".*/lora_b", (None, "embed")))

ADAPTED = r".*((cross_)?attention/(query|key|value|out)|mlp/(proj_in|proj_out))/kernel"
"""Paths of the matrices that are adapted."""


def init_adapters(key: PRNGKeyArray, params: Params, rank: int) -> Params:
    """Adapters that change nothing yet: A is random, B is zero.

    Args:
      key: random key.
      params: arrays or their shapes; matrices [.. in out].
      rank: width between A and B.

    Returns:
      {path of a matrix: {"lora_a": [.. in rank], "lora_b": [.. rank out]}}.

    Raises:
      ValueError: the rank is not positive, or nothing in the tree can be adapted.
    """
    if rank < 1:
        raise ValueError(f"lora.rank={rank}: expected at least 1")
    adapters = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        name = path_name(path)
        if not re.fullmatch(ADAPTED, name):
            continue
        *layers, width_in, width_out = leaf.shape
        key, matrix_key = jax.random.split(key)
        adapters[name] = {
            "lora_a": jax.random.normal(matrix_key, (*layers, width_in, rank)) / jnp.sqrt(width_in),
            "lora_b": jnp.zeros((*layers, rank, width_out)),
        }
    if not adapters:
        raise ValueError("no attention or feed-forward matrix to adapt")
    return adapters


def merge(params: Params, adapters: Params, scale: float) -> Params:
    """W + scale A B at every adapted matrix, the other parameters as they are.

    Args:
      params: the tree that was adapted.
      adapters: from `init_adapters`.
      scale: alpha / rank.

    Raises:
      ValueError: an adapter belongs to no parameter, or to one of another shape.
    """
    used = set()

    def merged(path: tuple, weight: Array | np.ndarray) -> Float[Array | np.ndarray, "..."]:
        name = path_name(path)
        if name not in adapters:
            return weight
        used.add(name)
        a, b = adapters[name]["lora_a"], adapters[name]["lora_b"]
        fits = min(a.ndim, b.ndim) > 1 and (*a.shape[:-1], b.shape[-1]) == weight.shape
        if not fits or (*b.shape[:-2], b.shape[-2]) != (*a.shape[:-2], a.shape[-1]):
            raise ValueError(
                f"adapters of {name!r} are {a.shape} and {b.shape}, its weights are {weight.shape}"
            )
        if all(isinstance(each, np.ndarray) for each in (weight, a, b)):
            # Not a program for each shape, whose compilations take a second in all.
            update = np.matmul(a.astype(np.float32), b.astype(np.float32))
        else:
            update = jnp.matmul(a, b, preferred_element_type=jnp.float32)
        return (weight + np.float32(scale) * update).astype(weight.dtype)

    result = jax.tree_util.tree_map_with_path(merged, params)
    if missing := set(adapters) - used:
        raise ValueError(f"adapters of matrices that are not there: {sorted(missing)}")
    return result
