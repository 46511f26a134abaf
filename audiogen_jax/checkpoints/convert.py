"""Whole checkpoint folders checked and rewritten in another precision."""

import dataclasses
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from audiogen_jax.checkpoints.adapters import load_adapters
from audiogen_jax.checkpoints.dasheng_audiogen import (
    load_audiogen,
    save_audiogen,
    save_audiogen_orbax,
)
from audiogen_jax.checkpoints.dasheng_tokenizer import load_tokenizer, save_tokenizer
from audiogen_jax.checkpoints.locate import find_checkpoint
from audiogen_jax.checkpoints.orbax import save_orbax
from audiogen_jax.checkpoints.safetensors import read_config
from audiogen_jax.checkpoints.t5 import load_t5, save_t5
from audiogen_jax.files.atomic import check_writable
from audiogen_jax.input.text import FAST, SENTENCEPIECE, SETTINGS
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.lora import merge
from audiogen_jax.types import Params

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
_SHARD_BYTES = 5_000_000_000
# Where a part goes that does not stand in its generator's folder.
_PART_FOLDERS = {"text_encoder_name": "text_encoder", "tokenizer_name": "tokenizer"}


def convert_checkpoint(
    source: str | Path,
    output: str | Path,
    dtype: str = "float32",
    *,
    revision: str | None = None,
    format: str = "hf",
    max_shard_bytes: int | None = None,
    adapters: str | Path | None = None,
) -> dict[str, int]:
    """Reads a checkpoint, checks every tensor, and writes it anew.

    A generator's text encoder and audio tokenizer are converted with it if its config.json names
    folders, and stay names if it names hub repositories. Text tokenizers are copied.

    Args:
      source: "nano", a folder in Hugging Face layout or the name of a hub repository.
      output: the folder to make; it appears only when complete.
      dtype: "float32", "bfloat16" or "float16".
      revision: branch, tag or commit of a hub repository.
      format: "hf" for safetensors in the released layout, "orbax" for an Orbax checkpoint.
      max_shard_bytes: larger safetensors are split; 5 GB if None. Memory holds the parameters
        and one such file.
      adapters: file of low-rank adapters to merge into a generator's weights.

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
    if format == "hf" and max_shard_bytes is None:
        max_shard_bytes = _SHARD_BYTES
    merged = None if adapters is None else load_adapters(adapters)
    folder, output = find_checkpoint(source, revision), Path(output)
    if output.exists():
        raise FileExistsError(f"{output} exists: give a folder to make")
    check_writable(output)
    output.absolute().parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=output.absolute().parent, prefix=".convert-"))
    try:
        counts = _convert(
            folder, staging / output.name, DTYPES[dtype], format, max_shard_bytes, merged
        )
        os.replace(staging / output.name, output)
    finally:
        _remove(staging)
    return counts


def _remove(folder: Path) -> None:
    """Removes a folder that orbax may still write to for a moment after a write failed."""
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


def _convert(
    folder: Path,
    output: Path,
    dtype: Any,
    format: str,
    max_shard_bytes: int | None,
    adapters: tuple[Params, float] | None = None,
) -> dict[str, int]:
    kind = read_config(folder).get("model_type")
    if kind not in _LOADERS:
        raise ValueError(f"{folder}: model_type={kind!r} must be one of {sorted(_LOADERS)}")
    config, params = _LOADERS[kind](folder, dtype)
    if adapters is not None:
        if not isinstance(config, AudioGenConfig):
            raise ValueError(f"{folder} is no generator: adapters cannot be merged into it")
        params = jax.tree.map(np.asarray, merge(params, *adapters))
    counts = {".": sum(leaf.size for leaf in jax.tree.leaves(params))}
    parts = _part_folders(folder, config) if isinstance(config, AudioGenConfig) else {}
    config = dataclasses.replace(config, **{field: name for field, (_, name) in parts.items()})
    if format == "hf":
        _SAVERS[kind](output, config, params, dtype, max_shard_bytes)
    elif isinstance(config, AudioGenConfig):
        save_audiogen_orbax(output, config, params)
    else:
        save_orbax(output, config.to_hf(), params)
    del params
    for name in (FAST, *SENTENCEPIECE, SETTINGS):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, output / name)
    for part, name in parts.values():
        counts[name] = _convert(part, output / name, dtype, format, max_shard_bytes)["."]
    return counts


def _part_folders(folder: Path, config: AudioGenConfig) -> dict[str, tuple[Path, str]]:
    """Field of the configuration -> folder of that part, and its name in the copy."""
    parts = {}
    for field, own in _PART_FOLDERS.items():
        name = getattr(config, field)
        part = folder / name
        if part.is_dir():
            inside = part.resolve().is_relative_to(folder.resolve())
            parts[field] = part, name if inside else own
    return parts
