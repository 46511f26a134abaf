"""Trees of parameters with leaves of others: what a generator has beyond the one it comes from."""

from flax.traverse_util import flatten_dict, unflatten_dict

from audiogen_jax.types import Params


def with_leaves(params: Params, more: Params) -> Params:
    """A tree with the leaves of another beside its own, or in their places."""
    leaves = flatten_dict(dict(params)) | flatten_dict(dict(more))
    return dict(unflatten_dict(leaves))


def leaves_beyond(params: Params, base: Params) -> Params:
    """The leaves that another tree has not."""
    known = flatten_dict(dict(base))
    leaves = {path: leaf for path, leaf in flatten_dict(dict(params)).items() if path not in known}
    return dict(unflatten_dict(leaves))
