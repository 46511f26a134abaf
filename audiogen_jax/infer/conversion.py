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
    save_audiogen_orbax,
    save_tokenizer,
)
from audiogen_jax.convert.orbax_io import save_orbax
from audiogen_jax.convert.safetensors_io import read_config
from audiogen_jax.convert.t5 import load_t5, save_t5
from audiogen_jax.infer.checkpoints import find_checkpoint
from audiogen_jax.infer.output import check_writable
from audiogen_jax.input.text import FAST, SENTENCEPIECE

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float16": jnp.float16}
_LOADERS: dict[str, Callable] = {
    TokenizerConfig.MODEL_TYPE: load_tokenizer,
    AudioGenConfig.MODEL_TYPE: load_audiogen,
    "t5": load_t5,
    "mt5": load_t5,
}
_SAVERS: dict[str, Callable] = {
    TokenizerConfig.MODEL_TYPE: save_tokenizer,
    AudioGenConfig.MODEL_TYPE: save_audiogen,
    "t5": save_t5,
    "mt5": save_t5,
}
FORMATS = ("hf", "orbax")


def convert_checkpoint(
    source: str | Path,
    output: str | Path,
    dtype: str = "float32",
    *,
    revision: str | None = None,
    format: str = "hf",
    max_shard_bytes: int | None = None,
) -> dict[str, int]:
    """Reads a checkpoint, checks every tensor, and writes it anew.

    A generator's text encoder and audio tokenizer are converted with it if they stand in folders
    of its own; its text tokenizer is copied.

    Args:
      source: "nano", a folder in Hugging Face layout or the name of a hub repository.
      output: the folder to make; it appears only when complete.
      dtype: "float32", "bfloat16" or "float16".
      revision: branch, tag or commit of a hub repository.
      format: "hf" for safetensors in the released layout, "orbax" for an Orbax checkpoint.
      max_shard_bytes: larger safetensors are split; None writes one file for each part.

    Returns:
      Folder, relative to `output`, to its number of parameters.

    Raises:
      ValueError: an unknown dtype, format or checkpoint; missing, surplus or misshapen tensors.
      OSError: `output` exists or cannot be written.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype={dtype!r} must be one of {sorted(DTYPES)}")
    if format not in FORMATS:
        raise ValueError(f"format={format!r} must be one of {FORMATS}")
    if max_shard_bytes is not None and (max_shard_bytes < 1 or format != "hf"):
        raise ValueError(f"max_shard_bytes={max_shard_bytes}: expected at least 1, and format hf")
    folder, output = find_checkpoint(source, revision), Path(output)
    if output.exists():
        raise FileExistsError(f"{output} exists: give a folder to make")
    check_writable(output)
    output.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.absolute().parent, prefix=".convert-") as name:
        temporary = Path(name) / output.name
        counts = _convert(folder, temporary, DTYPES[dtype], format, max_shard_bytes)
        os.replace(temporary, output)
    return counts


def _convert(
    folder: Path, output: Path, dtype: Any, format: str, max_shard_bytes: int | None
) -> dict[str, int]:
    kind = read_config(folder).get("model_type")
    if kind not in _LOADERS:
        raise ValueError(f"{folder}: model_type={kind!r} must be one of {sorted(_LOADERS)}")
    config, params = _LOADERS[kind](folder)
    if format == "hf":
        _SAVERS[kind](output, config, params, dtype, max_shard_bytes)
    elif isinstance(config, AudioGenConfig):
        save_audiogen_orbax(output, config, params, dtype)
    else:
        save_orbax(output, config.to_hf(), params, dtype)
    for name in (FAST, *SENTENCEPIECE):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, output / name)
    counts = {".": sum(leaf.size for leaf in jax.tree.leaves(params))}
    if isinstance(config, AudioGenConfig):
        for part in (config.text_encoder_name, config.tokenizer_name):
            inside = (folder / part).resolve().is_relative_to(folder.resolve())
            if inside and (folder / part).is_dir():
                found = _convert(folder / part, output / part, dtype, format, max_shard_bytes)
                counts[part] = found["."]
    return counts
