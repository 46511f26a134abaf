"""Low-rank adapters as one safetensors file, apart from the weights that they adapt."""

import dataclasses
import math
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import jax
import numpy as np
from flax.traverse_util import unflatten_dict
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from audiogen_jax.checkpoints.mapping import check_finite
from audiogen_jax.files.atomic import written_atomically
from audiogen_jax.files.content_hashes import check_contents, record_contents
from audiogen_jax.types import Params, path_name

ADAPTERS = "adapters.safetensors"
_FACTORS = ("lora_a", "lora_b")
_ADDED = "added/"
"""Before the paths of parameters that the base has not."""
Form: TypeAlias = Literal["", "guided", "flow_map", "edits"]


@dataclasses.dataclass(frozen=True)
class Adapters:
    """What makes another generator of one.

    Attributes:
      matrices: of `models.lora`, {path of a matrix: {"lora_a", "lora_b"}}.
      scale: of their products, alpha / rank.
      added: tree of the parameters that the base has not.
      form: that the generator gets by them, what it is distilled into or "edits"; "": it stays what
        it is.
    """

    matrices: Params
    scale: float
    added: Params = dataclasses.field(default_factory=dict)
    form: Form = ""


def save_adapters(path: str | Path, adapters: Adapters) -> None:
    """Writes adapters and their hash; the file appears only when complete.

    Raises:
      ValueError: they are not finite.
    """
    path = Path(path)
    _check_finite(path, adapters)
    tensors = {
        f"{matrix}/{factor}": np.ascontiguousarray(value)
        for matrix, factors in adapters.matrices.items()
        for factor, value in factors.items()
    }
    for name, value in jax.tree_util.tree_flatten_with_path(adapters.added)[0]:
        tensors[f"{_ADDED}{path_name(name)}"] = np.ascontiguousarray(value)
    metadata = {"scale": repr(float(adapters.scale)), "form": adapters.form}
    with written_atomically(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)
    record_contents(path.parent, [path.name])


def load_adapters(path: str | Path) -> Adapters:
    """Reads what `save_adapters` wrote.

    Raises:
      FileNotFoundError: no such file.
      ValueError: not a file of adapters, not the one that was written, or not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no adapters at {path}: expected the {ADAPTERS} of an export")
    check_contents(path.parent, [path.name])
    matrices: Params = {}
    added: dict[str, np.ndarray] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            scale, form = float(metadata["scale"]), metadata.get("form", "")
            for key in file.keys():  # noqa: SIM118 (not a mapping)
                if key.startswith(_ADDED):
                    added[key.removeprefix(_ADDED)] = file.get_tensor(key)
                else:
                    matrix, _, factor = key.rpartition("/")
                    matrices.setdefault(matrix, {})[factor] = file.get_tensor(key)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no file of adapters ({error})") from error
    if form not in get_args(Form):
        raise ValueError(f"{path}: adapters of form {form!r}, expected one of {get_args(Form)}")
    for matrix, factors in matrices.items():
        if sorted(factors) != sorted(_FACTORS):
            raise ValueError(f"{path}: {matrix!r} has {sorted(factors)}, expected {_FACTORS}")
    adapters = Adapters(matrices, scale, unflatten_dict(added, sep="/"), form)
    _check_finite(path, adapters)
    return adapters


def check_shapes(misfit: str, params: Params, expected: Params) -> None:
    """Compares trees of arrays, or of their shapes.

    Raises:
      ValueError: they differ; says `misfit`, and where.
    """
    shapes, wanted = (
        {
            path_name(path): leaf.shape
            for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
        }
        for tree in (params, expected)
    )
    if wrong := sorted(name for name in shapes | wanted if shapes.get(name) != wanted.get(name)):
        name = wrong[0]
        raise ValueError(f"{misfit}: {name!r} is {shapes.get(name)}, expected {wanted.get(name)}")


def _check_finite(path: Path, adapters: Adapters) -> None:
    if not math.isfinite(adapters.scale):
        raise ValueError(
            f"{path}: scale={adapters.scale} of the adapters, expected a finite number"
        )
    for name, value in jax.tree_util.tree_flatten_with_path(adapters.added)[0]:
        check_finite(f"{path}: {path_name(name)}", value)
    for matrix, factors in adapters.matrices.items():
        for factor, value in factors.items():
            check_finite(f"{path}: {matrix}/{factor}", value)
