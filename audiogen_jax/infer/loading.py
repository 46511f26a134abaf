"""A generator with everything that it names: text encoder, audio tokenizer, text tokenizer."""

import dataclasses
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from audiogen_jax.config import AudioGenConfig, T5Config
from audiogen_jax.convert.dasheng import load_audiogen
from audiogen_jax.convert.safetensors_io import read_config
from audiogen_jax.convert.t5 import load_t5
from audiogen_jax.infer.checkpoints import find_checkpoint, find_part
from audiogen_jax.infer.tokenizer import Tokenizer
from audiogen_jax.types import Params


@dataclasses.dataclass(frozen=True)
class GeneratorParts:
    source: Path
    config: AudioGenConfig
    params: Params
    text_config: T5Config
    text_params: Params
    tokenizer: Tokenizer
    text_tokenizer: Path | None
    special_token_ids: tuple[int, ...]


def load_generator(
    source: str | Path, *, revision: str | None = None, param_dtype: Any = jnp.float32
) -> GeneratorParts:
    folder = find_checkpoint(source)
    kind = read_config(folder).get("model_type")
    if kind != AudioGenConfig.MODEL_TYPE:
        raise ValueError(
            f"{folder} holds a {kind!r} checkpoint: expected {AudioGenConfig.MODEL_TYPE!r}"
        )
    config, params = load_audiogen(folder, param_dtype)
    text_folder = find_part(folder, "text_encoder_name", config.text_encoder_name)
    t5_config, t5_params = load_t5(text_folder, param_dtype)
    tokenizer = Tokenizer.load(find_part(folder, "tokenizer_name", config.tokenizer_name))
    own = folder / "tokenizer.json"
    text_tokenizer = own if own.is_file() else text_folder / "tokenizer.json"
    return GeneratorParts(
        folder, config, params, t5_config, t5_params, tokenizer, text_tokenizer, ()
    )
