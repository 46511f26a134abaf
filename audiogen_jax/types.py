"""Array aliases, ranges of settings, names of dtypes and parameters, for the whole package.

One letter per axis everywhere: b batch, t latent frames, n samples, a audio channels, d model,
c latent channels, l text tokens, f mel bins, h heads, k head dim.
"""

import dataclasses
import enum
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, TypeAlias, TypedDict, TypeVar

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax.tree_util import KeyPath
from jaxtyping import Array, ArrayLike, Bool, DTypeLike, Float, Float32, Int, PyTree

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
      spans: float32 [b l 2], seconds from when to when a token sounds, 0 and 0 where that is not
        said; None: nothing is said of any.
      source: float32 [b t c], latents of the recordings that the texts ask to change, zeros for
        none; None: they ask for new ones.
    """

    ids: Int[Array | np.ndarray, "b l"]
    mask: Bool[Array | np.ndarray, "b l"]
    spans: Float[Array | np.ndarray, "b l 2"] | None = None
    source: Float[Array | np.ndarray, "b t c"] | None = None


@dataclasses.dataclass(frozen=True)
class Range:
    """The finite numbers that a setting may have; stands in the annotation of its field.

    Attributes:
      low: the least, or with `above` what all are above.
      high: the most, or with `below` what all are below.
      above: whether `low` itself is left out.
      below: whether `high` itself is left out.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        low = value > self.low if self.above else value >= self.low
        high = value < self.high if self.below else value <= self.high
        return (isinstance(value, int) or math.isfinite(value)) and low and high

    def __str__(self) -> str:
        low = f"{'above' if self.above else 'at least'} {self.low:g}"
        high = f"{'below' if self.below else 'at most'} {self.high:g}"
        limits = [low] * (self.low > -math.inf) + [high] * (self.high < math.inf)
        return " and ".join(limits) or "a finite number"


Whole: TypeAlias = Annotated[int, Range(0, 2**31, below=True)]
"""A number of steps, samples or layers that may be 0."""
AtLeastOne: TypeAlias = Annotated[int, Range(1, 2**31, below=True)]
Bytes: TypeAlias = Annotated[int, Range(0)]
Seed: TypeAlias = Annotated[int, Range(0, 2**32, below=True)]
"""Keys of jax take no more bits."""
Finite: TypeAlias = Annotated[float, Range()]
NotNegative: TypeAlias = Annotated[float, Range(0)]
Positive: TypeAlias = Annotated[float, Range(0, above=True)]
Probability: TypeAlias = Annotated[float, Range(0, 1)]
Decay: TypeAlias = Annotated[float, Range(0, 1, below=True)]
"""What an average keeps of itself at every step."""


class Contents(enum.Enum):
    """What a setting names, in the annotation of its field: the contents count, not the place."""

    FILE = enum.auto()
    CHECKPOINT = enum.auto()
    LATENTS = enum.auto()


FilePath: TypeAlias = Annotated[str, Contents.FILE]
CheckpointSource: TypeAlias = Annotated[str, Contents.CHECKPOINT]
LatentFolder: TypeAlias = Annotated[str, Contents.LATENTS]


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


def compute_dtype(dtype: str | DTypeLike, name: str = "dtype") -> np.dtype:
    """The type to compute in, float32 or bfloat16: activations overflow in float16.

    Args:
      dtype: a spelling of it, or the type itself.
      name: of the argument, for the error.

    Raises:
      ValueError: it is another.
    """
    if (spelling := dtype_name(dtype, name)) == "float16":
        raise ValueError(f"{name}={spelling!r}: expected 'float32' or 'bfloat16' to compute in")
    return DTYPES[spelling]


def as_float32(values: ArrayLike, name: str) -> Float32[np.ndarray, "..."]:
    """Audio, latents or noise that somebody hands in.

    Args:
      values: real numbers of any float type. Integers are refused, as their full scale cannot be
        known: divide 16-bit PCM by 32768.
      name: of the array, for errors.

    Raises:
      ValueError: integers, booleans, complex numbers, or no array of numbers at all.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is no array of numbers: {error}") from None
    if jnp.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"{name} of type {array.dtype}: expected floats in about [-1, 1]; divide 16-bit PCM by "
            "32768, 24-bit by 2**23, 32-bit by 2**31"
        )
    if not jnp.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{name} of type {array.dtype}: expected real floats")
    with np.errstate(over="ignore"):  # too large becomes infinite, which is refused as such
        return array.astype(np.float32, copy=False)
