"""The ways in: a generator, an audio codec alone, or a model that answers questions."""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import DTypeLike

from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.layout import inference_mesh
from audiogen_jax.infer.options import Sharding
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.infer.understand import Understanding
from audiogen_jax.types import Device


def load(
    source: str | Path = "nano",
    *,
    revision: str | None = None,
    dtype: str | DTypeLike = "float32",
    param_dtype: str | DTypeLike = "float32",
    devices: Sequence[Device] | None = None,
    sharding: Sharding = "dp",
) -> Pipeline:
    """Loads a text-to-audio generator with its text encoder and audio codec.

    Args:
      source: "nano" for the embedded model, a folder in Hugging Face layout, or the name of a hub
        repository.
      revision: branch, tag or commit of the hub repository.
      dtype: of the computation, "float32" or "bfloat16"; norms, softmax, rotary angles, spectra and
        the state of the solver are float32 in any.
      param_dtype: of the parameters in memory.
      devices: what runs the model, such as `jax.local_devices()`; the first if None, or all of them
        if parameters are to be cut.
      sharding: "dp": each device holds all parameters, for its own rows of a batch. For models that
        do not fit one device, "fsdp" and "tensor" cut them: "fsdp" gathers a layer when it is its
        turn, for batches; with "tensor" all devices work on each clip together.

    Raises:
      ValueError: there is no such checkpoint, or it does not hold what it should.
    """
    return Pipeline.load(
        source,
        revision=revision,
        dtype=dtype,
        param_dtype=param_dtype,
        devices=devices,
        sharding=sharding,
    )


def load_tokenizer(
    source: str | Path = "nano",
    *,
    revision: str | None = None,
    dtype: str | DTypeLike = "float32",
    param_dtype: str | DTypeLike = "float32",
    devices: Sequence[Device] | None = None,
    sharding: Sharding = "dp",
) -> Codec:
    """Loads an audio codec (waveform <-> latents).

    Args:
      source: "nano" for the embedded one, a codec's folder in Hugging Face layout, the name of a
        hub repository, or a generator of any of these kinds, whose codec is taken.
      revision: branch, tag or commit of the hub repository.
      dtype: of the computation, "float32" or "bfloat16".
      param_dtype: of the parameters in memory.
      devices, sharding: see `load`.

    Raises:
      ValueError: there is no such checkpoint, or it does not hold what it should.
    """
    return Codec.load(
        source,
        revision=revision,
        dtype=dtype,
        param_dtype=param_dtype,
        mesh=inference_mesh(devices, sharding),
    )


def load_understanding(
    source: str | Path | None = None,
    *,
    revision: str | None = None,
    dtype: str | DTypeLike = "float32",
    param_dtype: str | DTypeLike = "bfloat16",
    devices: Sequence[Device] | None = None,
    sharding: Sharding = "dp",
) -> Understanding:
    """Loads a model that answers questions about sound, pictures and videos.

    Args:
      source: a folder in Hugging Face layout or the name of a hub repository, such as
        "Qwen/Qwen2.5-Omni-3B"; None for a published one that has been downloaded.
      revision: branch, tag or commit of the hub repository.
      dtype: of the computation, "float32" or "bfloat16".
      param_dtype: of the parameters in memory; published ones are bfloat16.
      devices, sharding: see `load`.

    Raises:
      ValueError: there is no such checkpoint, or it does not hold what it should.
    """
    return Understanding.load(
        source,
        revision=revision,
        dtype=dtype,
        param_dtype=param_dtype,
        devices=devices,
        sharding=sharding,
    )
