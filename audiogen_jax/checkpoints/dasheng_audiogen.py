"""Dasheng AudioGen checkpoints."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from audiogen_jax.checkpoints.dasheng_audiogen_names import (
    INSTRUCTION_LENGTH,
    TEXT_PROJ,
    audiogen_buffers,
    audiogen_rules,
)
from audiogen_jax.checkpoints.mapping import (
    check_tensors,
    export_params,
    import_params,
    with_dtype,
)
from audiogen_jax.checkpoints.orbax import OrbaxFolder, open_tensors, rules_of, save_orbax
from audiogen_jax.checkpoints.safetensors import parse_config, read_config, write_folder
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.generator import AudioGen
from audiogen_jax.types import Params

STACKS = ("dit/in_blocks", "dit/out_blocks")
# Of an Orbax copy: the field of config.json in place of a released tensor, and a parameter.
_LENGTH, _OUR_TEXT_PROJ = "instruction_length", "text_proj/kernel"


def audiogen_template(
    config: AudioGenConfig, text_dim: int | None = None, dtype: Any = jnp.float32
) -> Params:
    """Shapes of the generator's parameters, for a text encoder of width `text_dim`."""
    model = AudioGen(config, text_dim)
    hidden = jnp.zeros((1, 2, text_dim or config.content_dim))
    latents = jnp.zeros((1, 4, config.latent_dim))
    masks = jnp.ones((1, 2), bool), jnp.ones((1, 4), bool)
    variables = jax.eval_shape(model.init, jax.random.key(0), hidden, masks[0], latents, masks[1])
    return with_dtype(variables["params"], dtype)


def load_audiogen(
    folder: str | Path,
    dtype: Any = jnp.float32,
    place: Callable = lambda value: value,
    stacked: bool = True,
) -> tuple[AudioGenConfig, Params]:
    """Reads a generator, without its text encoder and its tokenizer.

    Args:
      folder: config.json and the weights.
      dtype: of the parameters, whatever that of the file.
      place: see `import_params`.
      stacked: False keeps the blocks of the DiT apart, as samplers need them.

    Returns:
      The configuration, with `instruction_length` from the checkpoint, and the parameters.

    Raises:
      FileNotFoundError: one of the files is not there.
      ValueError: the tensors are not those of the configuration; all differences are named.
    """
    values, file = read_config(folder), open_tensors(folder)
    shapes = file.shapes()
    # Two facts that the released config.json leaves out; check_tensors reports missing tensors.
    length = values.pop(_LENGTH, None) if isinstance(file, OrbaxFolder) else None
    text_dim = shapes[_OUR_TEXT_PROJ][0] if _OUR_TEXT_PROJ in shapes else None
    if INSTRUCTION_LENGTH in shapes:
        length = int(file.read(INSTRUCTION_LENGTH).reshape(-1)[0])
    if TEXT_PROJ in shapes:
        text_dim = shapes[TEXT_PROJ][-1]
    config = parse_config(folder, AudioGenConfig, values)
    try:
        config = dataclasses.replace(config, instruction_length=length)
    except ValueError as error:
        raise ValueError(f"{file.path}: {error}") from error
    template = audiogen_template(config, text_dim, dtype)
    released = audiogen_rules(config), audiogen_buffers(config)
    rules, buffers = rules_of(file, *released, template)
    check_tensors(file, rules, buffers, template)
    apart = () if stacked else STACKS
    return config, import_params(file, rules, template, place=place, apart=apart)


def save_audiogen(
    folder: str | Path,
    config: AudioGenConfig,
    params: Params,
    dtype: Any = None,
    max_shard_bytes: int | None = None,
) -> None:
    """Writes a generator in the layout that `load_audiogen` reads.

    Args:
      folder: made if it does not exist.
      config: its configuration.
      params: its parameters, without the text encoder's.
      dtype: of the file; that of the parameters if None.
      max_shard_bytes: see `write_folder`.
    """
    tensors = export_params(params, audiogen_rules(config), audiogen_buffers(config))
    write_folder(folder, config.to_hf(), tensors, dtype, max_shard_bytes)


def save_audiogen_orbax(
    folder: str | Path, config: AudioGenConfig, params: Params, dtype: Any = None
) -> None:
    """Writes a generator as an Orbax checkpoint, which `load_audiogen` reads too."""
    values = config.to_hf() | {_LENGTH: config.instruction_length}
    save_orbax(folder, values, params, dtype)
