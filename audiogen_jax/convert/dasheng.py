"""Loading and saving DashengTokenizer folders in the HF layout."""

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from audiogen_jax.config import TokenizerConfig
from audiogen_jax.convert import tokenizer_rules
from audiogen_jax.convert.mapping import (
    check_constants,
    check_tensors,
    expected_tensors,
    from_state_dict,
    to_state_dict,
)
from audiogen_jax.convert.safetensors_io import open_tensors, read_config, write_model
from audiogen_jax.models.tokenizer import Tokenizer
from audiogen_jax.types import Params


def tokenizer_shapes(config: TokenizerConfig) -> Params:
    """Shapes of the tokenizer's parameters, without allocating them."""
    model = Tokenizer(config)
    return jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 16000)))["params"]


def load_tokenizer(
    folder: str | os.PathLike, dtype: Any = np.float32
) -> tuple[TokenizerConfig, Params]:
    """Reads a DashengTokenizer folder.

    Raises:
      FileNotFoundError: a file is missing.
      ValueError: the files disagree; every missing, surplus or misshapen tensor is listed.
    """
    config = TokenizerConfig.from_hf(read_config(folder))
    rules, constants = tokenizer_rules.rules(config), tokenizer_rules.constants(config)
    shapes = tokenizer_shapes(config)
    with open_tensors(folder) as file:
        check_tensors(file.shapes, expected_tensors(shapes, rules, constants), str(folder))
        check_constants(file.read, constants, str(folder))
        return config, from_state_dict(file.read, shapes, rules, dtype)


def save_tokenizer(
    folder: str | os.PathLike, config: TokenizerConfig, params: Params, dtype: Any = None
) -> None:
    """Writes a folder that this project and the PyTorch release read; `dtype` casts parameters."""
    rules, constants = tokenizer_rules.rules(config), tokenizer_rules.constants(config)
    write_model(folder, config.to_hf(), to_state_dict(params, rules, constants, dtype))
