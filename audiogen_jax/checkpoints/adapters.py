"""Low-rank adapters as one safetensors file, apart from the weights that they adapt."""

import math
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from audiogen_jax.checkpoints.mapping import check_finite
from audiogen_jax.files.atomic import written_atomically
from audiogen_jax.files.content_hashes import check_contents, record_contents
from audiogen_jax.types import Params

ADAPTERS = "adapters.safetensors"
_FACTORS = ("lora_a", "lora_b")


def save_adapters(path: str | Path, adapters: Params, scale: float) -> None:
    """Writes adapters and their hash; the file appears only when complete.

    Args:
      path: the file.
      adapters: of `models.lora`, {path of a matrix: {"lora_a", "lora_b"}}.
      scale: of their products, alpha / rank; kept in the file.

    Raises:
      ValueError: they are not finite.
    """
    path = Path(path)
    _check_finite(path, adapters, scale)
    tensors = {
        f"{matrix}/{factor}": np.ascontiguousarray(value)
        for matrix, factors in adapters.items()
        for factor, value in factors.items()
    }
    with written_atomically(path) as temporary:
        save_file(tensors, temporary, metadata={"scale": repr(float(scale))})
    record_contents(path.parent, [path.name])


def load_adapters(path: str | Path) -> tuple[Params, float]:
    """Reads what `save_adapters` wrote: the adapters and their scale.

    Raises:
      FileNotFoundError: no such file.
      ValueError: not a file of adapters, not the one that was written, or not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no adapters at {path}: expected the {ADAPTERS} of an export")
    check_contents(path.parent, [path.name])
    adapters: Params = {}
    try:
        with safe_open(path, framework="numpy") as file:
            scale = float((file.metadata() or {})["scale"])
            for key in file.keys():  # noqa: SIM118 (not a mapping)
                matrix, _, factor = key.rpartition("/")
                adapters.setdefault(matrix, {})[factor] = file.get_tensor(key)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no file of adapters ({error})") from error
    for matrix, factors in adapters.items():
        if sorted(factors) != sorted(_FACTORS):
            raise ValueError(f"{path}: {matrix!r} has {sorted(factors)}, expected {_FACTORS}")
    _check_finite(path, adapters, scale)
    return adapters, scale


def _check_finite(path: Path, adapters: Params, scale: float) -> None:
    if not math.isfinite(scale):
        raise ValueError(f"{path}: scale={scale} of the adapters, expected a finite number")
    for matrix, factors in adapters.items():
        for factor, value in factors.items():
            check_finite(f"{path}: {matrix}/{factor}", value)
