"""Whole checkpoint folders checked and rewritten in another precision."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from audiogen_jax.config import AudioGenConfig, TokenizerConfig
from audiogen_jax.convert.dasheng import (
    load_audiogen,
    load_tokenizer,
    save_audiogen,
    save_tokenizer,
)
from audiogen_jax.convert.safetensors_io import read_config
from audiogen_jax.convert.t5 import load_t5, save_t5
from audiogen_jax.infer.checkpoints import find_checkpoint
from audiogen_jax.infer.output import check_writable

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float16": jnp.float16}
_FORMATS: dict[str, tuple[Callable, Callable]] = {
    TokenizerConfig.MODEL_TYPE: (load_tokenizer, save_tokenizer),
    AudioGenConfig.MODEL_TYPE: (load_audiogen, save_audiogen),
    "t5": (load_t5, save_t5),
    "mt5": (load_t5, save_t5),
}


def convert_checkpoint(
    source: str | Path, output: str | Path, dtype: str = "float32"
) -> dict[str, int]:
    """Reads a checkpoint folder, checks every tensor, and writes it anew.

    A generator's text encoder and audio tokenizer are converted with it if they stand in folders
    of its own; its tokenizer.json is copied.

    Args:
      source: "nano" or a folder in Hugging Face layout.
      output: the folder to make; it appears only when complete.
      dtype: "float32", "bfloat16" or "float16".

    Returns:
      Folder, relative to `output`, to its number of parameters.

    Raises:
      ValueError: an unknown dtype or checkpoint; missing, surplus or misshapen tensors.
      OSError: `output` exists or cannot be written.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype={dtype!r} must be one of {sorted(DTYPES)}")
    folder, output = find_checkpoint(source), Path(output)
    if output.exists():
        raise FileExistsError(f"{output} exists: give a folder to make")
    check_writable(output)
    output.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.absolute().parent, prefix=".convert-") as name:
        temporary = Path(name) / output.name
        counts = _convert(folder, temporary, DTYPES[dtype])
        os.replace(temporary, output)
    return counts


def _convert(folder: Path, output: Path, dtype: Any) -> dict[str, int]:
    kind = read_config(folder).get("model_type")
    if kind not in _FORMATS:
        raise ValueError(f"{folder}: model_type={kind!r} must be one of {sorted(_FORMATS)}")
    load, save = _FORMATS[kind]
    config, params = load(folder)
    save(output, config, params, dtype=dtype)
    if (folder / "tokenizer.json").is_file():
        shutil.copyfile(folder / "tokenizer.json", output / "tokenizer.json")
    counts = {".": sum(leaf.size for leaf in jax.tree.leaves(params))}
    if isinstance(config, AudioGenConfig):
        for part in (config.text_encoder_name, config.tokenizer_name):
            inside = (folder / part).resolve().is_relative_to(folder.resolve())
            if inside and (folder / part).is_dir():
                counts[part] = _convert(folder / part, output / part, dtype)["."]
    return counts
