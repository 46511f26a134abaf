"""Array aliases, names of dtypes and of parameters shared by the whole package.

One letter per axis everywhere: b batch, t latent frames, n samples, a audio channels, d model,
c latent channels, l text tokens, f mel bins, h heads, k head dim.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias, TypedDict, TypeVar

import jax
import ml_dtypes
import numpy as np
from jax.tree_util import KeyPath
from jaxtyping import Array, Bool, DTypeLike, Float, Int, PyTree

Device: TypeAlias = jax.Device  # pyright: ignore[reportInvalidTypeForm]  # jaxlib has no types

Params: TypeAlias = Mapping[str, Any]
"""A Linen parameter tree: nested plain dicts whose leaves are arrays. `Any`, because `params[a][b]`
is an array or a tree."""

Waveform: TypeAlias = Float[Array, "b n a"]
Latents: TypeAlias = Float[Array, "b t c"]
FrameMask: TypeAlias = Bool[Array, "b t"]
TokenIds: TypeAlias = Int[Array, "b l"]
TokenMask: TypeAlias = Bool[Array, "b l"]

Count = TypeVar("Count", int, np.ndarray | Array)
"""A number of samples or frames, or an integer array of such."""

VelocityFn: TypeAlias = Callable[[Latents, PyTree], Latents]
"""(x, sigma) -> d x / d sigma. Sigma in [0, 1] is an array [b] in training and a number for all
clips in sampling; a sampler may put in its place what the model precomputed of it."""


class Tokens(NamedTuple):
    """Padded texts as a text encoder reads them.

    Attributes:
      ids: int [b l].
      mask: bool [b l], True at tokens.
    """

    ids: Int[Array | np.ndarray, "b l"]
    mask: Bool[Array | np.ndarray, "b l"]


class ModuleDTypes(TypedDict):
    """What most Linen modules take as keywords: types of the computation and of parameters."""

    dtype: DTypeLike
    param_dtype: DTypeLike


DTYPES: Mapping[str, np.dtype] = {
    "float32": np.dtype(np.float32),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float16": np.dtype(np.float16),
}
_SHORT = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def dtype_name(dtype: str | DTypeLike, name: str = "dtype") -> str:
    """The one spelling of a dtype: "float32", "bfloat16" or "float16".

    Args:
      dtype: that spelling, a short one ("fp32", "bf16", "fp16"), or the type itself.
      name: of the argument, for the error.

    Raises:
      ValueError: it is none of them.
    """
    text = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", str(dtype))
    text = _SHORT.get(text, text)
    if text not in DTYPES:
        raise ValueError(f"{name}={dtype!r}: expected one of {sorted(DTYPES)}")
    return text


def parse_dtype(dtype: str | DTypeLike, name: str = "dtype") -> np.dtype:
    """The type that a spelling names; see `dtype_name`."""
    return DTYPES[dtype_name(dtype, name)]


def path_name(path: KeyPath) -> str:
    """The "/"-joined path of a leaf of a pytree: "dit/in_blocks/mlp/proj_in/kernel"."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def compute_dtype(dtype: str | DTypeLike) -> np.dtype:
    """The type to compute in, float32 or bfloat16: activations overflow in float16.

    Raises:
      ValueError: it is another.
    """
    if dtype_name(dtype) == "float16":
        raise ValueError(f"dtype={dtype!r}: expected 'float32' or 'bfloat16' to compute in")
    return parse_dtype(dtype)
