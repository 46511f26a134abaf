"""Oobleck VAE checkpoints: reading, writing, and where the release keeps each parameter."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.family import CodecFamily, FolderFamily, LoadedCodec
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.layout import Layout, Rule
from audiogen_jax.checkpoints.mapping import (
    with_dtype,
)
from audiogen_jax.checkpoints.parameter_file import ParameterFile
from audiogen_jax.checkpoints.safetensors import save_safetensors
from audiogen_jax.checkpoints.tensor_views import WithoutWeightNorm
from audiogen_jax.models.omni.codec import OobleckCodec
from audiogen_jax.models.omni.config import OobleckConfig
from audiogen_jax.models.omni.oobleck import DILATIONS
from audiogen_jax.types import Params

_CONV, _TRANSPOSED = "oik->kio", "iok->kio"


class OobleckCheckpoint(ParameterFile):
    """An Oobleck VAE on disk, checked; its halves are read when asked for.

    Attributes:
      config: its configuration.
    """

    def __init__(self, opened: CheckpointFolder, dtype: str | DTypeLike = jnp.float32):
        """Checks the names and shapes of all tensors.

        Args:
          opened: the checkpoint.
          dtype: of the parameters, whatever that of the file.

        Raises:
          FileNotFoundError: there are no weights.
          ValueError: the tensors are not those of the configuration; all differences are named.
        """
        self.config = opened.config(OobleckConfig)
        file, template = WithoutWeightNorm(opened.tensors), oobleck_template(self.config, dtype)
        super().__init__(file, oobleck_layout(self.config), template)


def load_oobleck(
    opened: CheckpointFolder, dtype: str | DTypeLike = jnp.float32
) -> tuple[OobleckConfig, Params]:
    """Reads a whole VAE; see `OobleckCheckpoint`."""
    checkpoint = OobleckCheckpoint(opened, dtype)
    return checkpoint.config, checkpoint.read()


def save_oobleck(
    folder: str | Path,
    config: OobleckConfig,
    params: Params,
    dtype: str | DTypeLike | None = None,
    max_shard_bytes: int | None = None,
) -> None:
    """Writes a VAE under the released names, its weights no longer apart in length and direction.

    Args:
      folder: made if it does not exist.
      config: its configuration.
      params: its parameters.
      dtype: of the file; that of the parameters if None.
      max_shard_bytes: see `save_safetensors`.
    """
    layout = oobleck_layout(config)
    save_safetensors(folder, config.to_hf(), params, layout, dtype, max_shard_bytes)


def oobleck_template(config: OobleckConfig, dtype: str | DTypeLike = jnp.float32) -> Params:
    """Shapes of the VAE's parameters."""
    return with_dtype(_shapes(config), dtype)


@functools.lru_cache(maxsize=8)  # as tracing takes a second
def _shapes(config: OobleckConfig) -> Params:
    return jax.eval_shape(OobleckCodec(config).init, jax.random.key(0))


def oobleck_layout(config: OobleckConfig) -> Layout:
    """Where the release keeps the parameters: layers are numbered as they run."""
    return Layout((*_encoder(config), *_decoder(config)))


def _encoder(config: OobleckConfig) -> list[Rule]:
    levels, units = len(config.strides), len(DILATIONS)
    rules = _conv("encoder.layers.0", "encoder/conv_in")
    for i in range(levels):
        name, path = f"encoder.layers.{i + 1}.layers", f"encoder/level_{i}"
        rules += [rule for j in range(units) for rule in _unit(f"{name}.{j}", f"{path}_unit_{j}")]
        rules += _snake(f"{name}.{units}", f"{path}_snake")
        rules += _conv(f"{name}.{units + 1}", f"{path}_down")
    rules += _snake(f"encoder.layers.{levels + 1}", "encoder/snake")
    return rules + _conv(f"encoder.layers.{levels + 2}", "encoder/conv_out")


def _decoder(config: OobleckConfig) -> list[Rule]:
    levels, units = len(config.strides), len(DILATIONS)
    rules = _conv("decoder.layers.0", "decoder/conv_in")
    for i in range(levels):
        name, path = f"decoder.layers.{i + 1}.layers", f"decoder/level_{i}"
        rules += _snake(f"{name}.0", f"{path}_snake")
        rules += _conv(f"{name}.1", f"{path}_up", _TRANSPOSED)
        for j in range(units):
            rules += _unit(f"{name}.{j + 2}", f"{path}_unit_{j}")
    rules += _snake(f"decoder.layers.{levels + 1}", "decoder/snake")
    last = f"decoder.layers.{levels + 2}.weight"
    return [*rules, Rule(last, "decoder/conv_out/kernel", _CONV)]


def _unit(name: str, path: str) -> list[Rule]:
    return [
        *_snake(f"{name}.layers.0", f"{path}/snake1"),
        *_conv(f"{name}.layers.1", f"{path}/conv1"),
        *_snake(f"{name}.layers.2", f"{path}/snake2"),
        *_conv(f"{name}.layers.3", f"{path}/conv2"),
    ]


def _snake(name: str, path: str) -> list[Rule]:
    return [Rule(f"{name}.{part}", f"{path}/{part}") for part in ("alpha", "beta")]


def _conv(name: str, path: str, axes: str = _CONV) -> list[Rule]:
    return [Rule(f"{name}.weight", f"{path}/kernel", axes), Rule(f"{name}.bias", f"{path}/bias")]


def _open(opened: CheckpointFolder, dtype: DTypeLike, param_dtype: DTypeLike) -> LoadedCodec:
    checkpoint = OobleckCheckpoint(opened, param_dtype)
    return LoadedCodec(opened.path, OobleckCodec(checkpoint.config, dtype), checkpoint.read)


def _save(folder: Path, codec: OobleckCodec, params: Params) -> None:
    save_oobleck(folder, codec.config, params)


CODEC = CodecFamily(_open, _save)
FOLDER = FolderFamily(load_oobleck, save_oobleck)
