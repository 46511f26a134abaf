"""Separators on disk: a folder beside a generator, whose text encoder and codec they read with."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.config_file import has_config
from audiogen_jax.checkpoints.family import FolderFamily, LoadedGenerator
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.layout import Layout, Rule
from audiogen_jax.checkpoints.mapping import Put, on_host, with_dtype
from audiogen_jax.checkpoints.parameter_file import ParameterFile
from audiogen_jax.checkpoints.safetensors import save_safetensors
from audiogen_jax.models.separator.config import SeparatorConfig
from audiogen_jax.models.separator.network import Separator
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.types import Params

SEPARATOR = "separator"
"""The folder, in that of the generator."""
_DENSE = ("spectra", "latents", "query", "query_weight", "masks")
_BLOCK = ("modulation", "attention.out", "mlp.fc1", "mlp.fc2")


def load_separator(
    opened: CheckpointFolder, dtype: str | DTypeLike = jnp.float32, put: Put = on_host
) -> tuple[SeparatorConfig, Params]:
    """Reads a separator, without its text encoder.

    Args:
      opened: its folder.
      dtype: of the parameters, whatever that of the file.
      put: see `stack_layers`.

    Raises:
      FileNotFoundError: there are no weights.
      ValueError: the tensors are not those of the configuration; all differences are named.
    """
    config = opened.config(SeparatorConfig)
    file = ParameterFile(opened.tensors, _LAYOUT, with_dtype(_shapes(config), dtype))
    return config, file.read(put=put)


def save_separator(
    folder: str | Path,
    config: SeparatorConfig,
    params: Params,
    dtype: str | DTypeLike | None = None,
    max_shard_bytes: int | None = None,
) -> None:
    """Writes what `load_separator` reads.

    Args:
      folder: made if it does not exist.
      config: its configuration.
      params: its parameters, without the text encoder's.
      dtype: of the file; that of the parameters if None.
      max_shard_bytes: see `save_safetensors`.
    """
    save_safetensors(folder, config.to_hf(), params, _LAYOUT, dtype, max_shard_bytes)


def separator_folder(generator: Path) -> CheckpointFolder | None:
    """The separator in the folder of a generator; None if there is none.

    Raises:
      ValueError: what is there is none.
    """
    if not has_config(generator / SEPARATOR):
        return None
    opened = CheckpointFolder(generator / SEPARATOR)
    if opened.model_type != SeparatorConfig.MODEL_TYPE:
        raise ValueError(
            f"{opened.path} holds a {opened.model_type!r} checkpoint, expected "
            f"{SeparatorConfig.MODEL_TYPE!r}"
        )
    return opened


def separator_beside(loaded: LoadedGenerator) -> tuple[Separator, Params] | None:
    """The separator in the folder of a generator, with the text encoder of that; None: no such.

    Raises:
      FileNotFoundError, ValueError: it does not hold what it should, or does not fit its generator.
    """
    folder = loaded.folders[0]
    if (opened := separator_folder(folder)) is None:
        return None
    text_encoder = loaded.params["text_encoder"]
    dtype = jax.tree.leaves(text_encoder)[0].dtype
    config, params = load_separator(opened, dtype)
    text = CheckpointFolder(folder).component("text_encoder_name", "text_encoder").config(T5Config)
    codec = loaded.codec.codec
    given = config.text_dim, config.latent_dim, config.sample_rate, config.samples_per_latent
    wanted = text.d_model, codec.latent_dim, codec.sample_rate, codec.samples_per_latent
    if given != wanted:
        raise ValueError(
            f"{opened.path}: made for texts of width, latents of width, a sample rate and samples "
            f"of a latent of {given}, but the generator beside it has {wanted}"
        )
    return Separator(config, text), {"separator": params, "text_encoder": text_encoder}


@functools.lru_cache(maxsize=8)  # as tracing takes a second
def _shapes(config: SeparatorConfig) -> Params:
    model = Separator(config, T5Config(d_model=config.text_dim))
    return jax.eval_shape(model.init, jax.random.key(0))


def _linear(name: str, path: str) -> tuple[Rule, Rule]:
    return Rule(f"{name}.weight", f"{path}/kernel", "oi->io"), Rule(f"{name}.bias", f"{path}/bias")


def _norm(name: str, path: str) -> tuple[Rule, Rule]:
    return Rule(f"{name}.weight", f"{path}/scale"), Rule(f"{name}.bias", f"{path}/bias")


def _rules() -> list[Rule]:
    rules = [rule for name in _DENSE for rule in _linear(name, name)]
    for name in _BLOCK:
        rules += _linear(f"blocks.{{i}}.{name}", f"blocks/{{i}}/{name.replace('.', '/')}")
    for name in ("query", "key", "value"):
        tensor, path = f"blocks.{{i}}.attention.{name}.weight", f"blocks/{{i}}/attention/{name}"
        rules.append(Rule(tensor, f"{path}/kernel", "oi->io"))
    for name in ("norm1", "norm2"):
        rules += _norm(f"blocks.{{i}}.{name}", f"blocks/{{i}}/{name}")
    return [*rules, *_norm("final_norm", "final_norm")]


_LAYOUT = Layout(tuple(_rules()))
FOLDER = FolderFamily(load_separator, save_separator)
