"""The two ways in: a generator, or an audio codec alone."""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import DTypeLike

from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.types import Device


def load(
    source: str | Path = "nano",
    *,
    revision: str | None = None,
    dtype: str | DTypeLike = "float32",
    param_dtype: str | DTypeLike = "float32",
    devices: Sequence[Device] | None = None,
) -> Pipeline:
    """Loads a text-to-audio generator with its text encoder and audio codec.

    Args:
      source: "nano" for the embedded model, a folder in Hugging Face layout, or the name of a hub
        repository.
      revision: branch, tag or commit of the hub repository.
      dtype: of the computation, "float32" or "bfloat16"; norms, softmax, rotary angles, spectra and
        the state of the solver are float32 in any.
      param_dtype: of the parameters in memory.
      devices: what batches are split over, such as `jax.local_devices()`; the first if None.

    Raises:
      ValueError: there is no such checkpoint, or it does not hold what it should.
    """
    return Pipeline.load(
        source, revision=revision, dtype=dtype, param_dtype=param_dtype, devices=devices
    )


def load_tokenizer(
    source: str | Path = "nano",
    *,
    revision: str | None = None,
    dtype: str | DTypeLike = "float32",
    param_dtype: str | DTypeLike = "float32",
) -> Codec:
    """Loads an audio codec (waveform <-> latents).

    Args:
      source: "nano" for the embedded one, a codec's folder in Hugging Face layout, the name of a
        hub repository, or a generator of any of these kinds, whose codec is taken.
      revision: branch, tag or commit of the hub repository.
      dtype: of the computation, "float32" or "bfloat16".
      param_dtype: of the parameters in memory.

    Raises:
      ValueError: there is no such checkpoint, or it does not hold what it should.
    """
    return Codec.load(source, revision=revision, dtype=dtype, param_dtype=param_dtype)
