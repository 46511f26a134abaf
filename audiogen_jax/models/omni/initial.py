"""How the parameters of a velocity network that is trained from its start begin.

As in the release of Tian et al. 2026 (https://arxiv.org/abs/2604.10708): what a block adds is zero
at first. Its wrapper halved all parameters after that, which is a choice here.
"""

import re

import jax
import jax.numpy as jnp

from audiogen_jax.types import Params, path_name

_LAST_OF_BRANCH = re.compile(r"blocks/((cross_)?attention/out|mlp/proj_out)/(kernel|bias)")


def branches_of_zeros(dit: Params) -> Params:
    """The parameters with zeros in the last layer of attention and feed-forward of every block."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: (
            jnp.zeros_like(leaf) if _LAST_OF_BRANCH.fullmatch(path_name(path)) else leaf
        ),
        dit,
    )


def halved(dit: Params) -> Params:
    """All parameters times 0.5."""
    return jax.tree.map(lambda leaf: 0.5 * leaf, dit)
