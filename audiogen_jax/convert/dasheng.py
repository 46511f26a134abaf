"""DashengTokenizer and Dasheng AudioGen checkpoints."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from audiogen_jax.config import AudioGenConfig, TokenizerConfig
from audiogen_jax.convert.audiogen_rules import (
    INSTRUCTION_LENGTH,
    TEXT_PROJ,
    audiogen_buffers,
    audiogen_rules,
)
from audiogen_jax.convert.mapping import export_params, import_params
from audiogen_jax.convert.safetensors_io import (
    WEIGHTS,
    SafetensorsFile,
    read_config,
    write_folder,
)
from audiogen_jax.convert.tokenizer_rules import tokenizer_buffers, tokenizer_rules
from audiogen_jax.models.audiogen import AudioGen
from audiogen_jax.models.tokenizer import Tokenizer
from audiogen_jax.types import Params


def tokenizer_template(config: TokenizerConfig, dtype: Any = jnp.float32) -> Params:
    """Shapes of the tokenizer's parameters."""
    model = Tokenizer(config)
    variables = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 1600)))
    return _with_dtype(variables["params"], dtype)


def load_tokenizer(folder: str | Path, dtype: Any = jnp.float32) -> tuple[TokenizerConfig, Params]:
    """Reads an audio tokenizer.

    Args:
      folder: config.json and model.safetensors.
      dtype: of the parameters, whatever that of the file.

    Raises:
      FileNotFoundError: one of the files is not there.
      ValueError: the tensors are not those of the configuration; all differences are named.
    """
    config = TokenizerConfig.from_hf(read_config(folder))
    with SafetensorsFile(Path(folder) / WEIGHTS) as file:
        template = tokenizer_template(config, dtype)
        rules, buffers = tokenizer_rules(config), tokenizer_buffers(config)
        return config, import_params(file, rules, buffers, template)


def save_tokenizer(
    folder: str | Path, config: TokenizerConfig, params: Params, dtype: Any = None
) -> None:
    """Writes an audio tokenizer in the layout that `load_tokenizer` reads.

    Args:
      folder: made if it does not exist.
      config: its configuration.
      params: its parameters.
      dtype: of the file; that of the parameters if None.
    """
    tensors = export_params(params, tokenizer_rules(config), tokenizer_buffers(config))
    write_folder(folder, config.to_hf(), tensors, dtype)


def audiogen_template(
    config: AudioGenConfig, text_dim: int | None = None, dtype: Any = jnp.float32
) -> Params:
    """Shapes of the generator's parameters, for a text encoder of width `text_dim`."""
    model = AudioGen(config, text_dim)
    hidden = jnp.zeros((1, 2, text_dim or config.content_dim))
    latents = jnp.zeros((1, 4, config.latent_dim))
    masks = jnp.ones((1, 2), bool), jnp.ones((1, 4), bool)
    variables = jax.eval_shape(model.init, jax.random.key(0), hidden, masks[0], latents, masks[1])
    return _with_dtype(variables["params"], dtype)


def load_audiogen(folder: str | Path, dtype: Any = jnp.float32) -> tuple[AudioGenConfig, Params]:
    """Reads a generator, without its text encoder and its tokenizer.

    Args:
      folder: config.json and model.safetensors.
      dtype: of the parameters, whatever that of the file.

    Returns:
      The configuration, with `instruction_length` from the checkpoint, and the parameters.

    Raises:
      FileNotFoundError: one of the files is not there.
      ValueError: the tensors are not those of the configuration; all differences are named.
    """
    config = AudioGenConfig.from_hf(read_config(folder))
    with SafetensorsFile(Path(folder) / WEIGHTS) as file:
        shapes = file.shapes()
        text_dim = None
        # Two facts that config.json leaves out; import_params reports the tensors if missing.
        if INSTRUCTION_LENGTH in shapes:
            length = int(file.read(INSTRUCTION_LENGTH).reshape(-1)[0])
            config = dataclasses.replace(config, instruction_length=length)
        if TEXT_PROJ in shapes:
            text_dim = shapes[TEXT_PROJ][-1]
        template = audiogen_template(config, text_dim, dtype)
        params = import_params(file, audiogen_rules(config), audiogen_buffers(config), template)
    return config, params


def save_audiogen(
    folder: str | Path, config: AudioGenConfig, params: Params, dtype: Any = None
) -> None:
    """Writes a generator in the layout that `load_audiogen` reads.

    Args:
      folder: made if it does not exist.
      config: its configuration.
      params: its parameters, without the text encoder's.
      dtype: of the file; that of the parameters if None.
    """
    tensors = export_params(params, audiogen_rules(config), audiogen_buffers(config))
    write_folder(folder, config.to_hf(), tensors, dtype)


def _with_dtype(template: Params, dtype: Any) -> Params:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, dtype), template)
