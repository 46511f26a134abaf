"""Whole checkpoint folders checked and rewritten in another precision."""

import dataclasses
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.adapters import Adapters, load_adapters
from audiogen_jax.checkpoints.folder import CheckpointFolder, open_checkpoint
from audiogen_jax.checkpoints.forms import EDITOR, FEW_STEPS, FORMS_BESIDE
from audiogen_jax.checkpoints.hub import HUB_NAME
from audiogen_jax.checkpoints.orbax import save_orbax
from audiogen_jax.checkpoints.qwen_omni import GENERATION
from audiogen_jax.checkpoints.registry import FOLDERS, GENERATORS, Component, family_of
from audiogen_jax.checkpoints.separator import SEPARATOR, separator_folder
from audiogen_jax.files.atomic import check_writable, staging_folder
from audiogen_jax.files.content_hashes import check_contents, record_contents
from audiogen_jax.files.lock import locked
from audiogen_jax.input.byte_pairs import FILES as BYTE_PAIRS
from audiogen_jax.input.text import SENTENCEPIECE
from audiogen_jax.models.hf_config import HFConfig
from audiogen_jax.models.lora import merge
from audiogen_jax.types import dtype_name

FORMATS = ("hf", "orbax")
_SHARD_BYTES = 5_000_000_000


def convert_checkpoint(
    source: str | Path,
    output: str | Path,
    dtype: str | DTypeLike = "float32",
    *,
    revision: str | None = None,
    format: str = "hf",
    max_shard_bytes: int | None = None,
    adapters: str | Path | None = None,
) -> dict[str, int]:
    """Reads a checkpoint, checks every tensor, and writes it anew.

    A generator's text encoder and audio tokenizer are converted with it, into `text_encoder` and
    `tokenizer`, if its config.json names folders; they stay names if it names hub repositories.
    Text tokenizers are copied, and what says how an answer ends. Whatever config.json names,
    nothing is written outside of `output`.

    Args:
      source: "nano", a folder in Hugging Face layout or the name of a hub repository.
      output: the folder to make; it appears only when complete.
      dtype: "float32", "bfloat16" or "float16"; see `dtype_name`.
      revision: branch, tag or commit of a hub repository.
      format: "hf" for safetensors in the released layout, "orbax" for an Orbax checkpoint.
      max_shard_bytes: larger safetensors are split; 5 GB if None. Memory holds the parameters
        and one such file.
      adapters: file of low-rank adapters to merge into a generator's weights.

    Returns:
      Folder, relative to `output`, to its number of parameters.

    Raises:
      ValueError: an unknown dtype, format or checkpoint; missing, surplus or misshapen tensors;
        numbers that are not finite, or would not be in `dtype`.
      OSError: `output` exists, cannot be written or is being written by another process.
    """
    dtype = dtype_name(dtype)
    if format not in FORMATS:
        raise ValueError(f"format={format!r} must be one of {FORMATS}")
    if max_shard_bytes is not None and (max_shard_bytes < 1 or format != "hf"):
        raise ValueError(f"max_shard_bytes={max_shard_bytes}: expected at least 1, and format hf")
    if format == "hf" and max_shard_bytes is None:
        max_shard_bytes = _SHARD_BYTES
    merged = None if adapters is None else load_adapters(adapters)
    opened, output = open_checkpoint(source, revision), Path(output)
    if output.exists():
        raise FileExistsError(f"{output} exists: give a folder to make")
    check_writable(output)
    output = output.absolute()
    lock = output.with_name(f".{output.name}.lock")
    with (
        locked(lock, f"another process is converting to {output}"),
        staging_folder(output.parent) as staging,
    ):
        counts = _convert(opened, staging / output.name, dtype, format, max_shard_bytes, merged)
        if output.exists():
            raise FileExistsError(f"{output} was made by somebody else meanwhile")
        os.replace(staging / output.name, output)
    return counts


def _convert(
    opened: CheckpointFolder,
    output: Path,
    dtype: str,
    format: str,
    max_shard_bytes: int | None,
    adapters: Adapters | None = None,
) -> dict[str, int]:
    family = family_of(opened, FOLDERS)
    config, params = family.load(opened, dtype)
    if adapters is not None:
        if opened.model_type not in GENERATORS:
            raise ValueError(f"{opened.path} is no generator: adapters cannot be merged into it")
        if adapters.form:
            raise ValueError(
                f"these adapters make a generator of form {adapters.form!r}: give the export of "
                "their training, which is that generator, or put them beside the base as "
                f"{FORMS_BESIDE[adapters.form]}"
            )
        params = jax.tree.map(np.asarray, merge(params, adapters.matrices, adapters.scale))
    counts = {".": sum(leaf.size for leaf in jax.tree.leaves(params))}
    components = _local_components(opened, config, family.components)
    names = {field: family.components[field].folder for field in components}
    config = dataclasses.replace(config, **names)
    if format == "hf":
        family.save(output, config, params, dtype, max_shard_bytes)
    else:
        save_orbax(output, config.to_hf(derived=True), params)
    del params
    files = (*BYTE_PAIRS, *SENTENCEPIECE, GENERATION, FEW_STEPS, EDITOR)
    copied = [name for name in files if adapters is None or name not in (FEW_STEPS, EDITOR)]
    copied = [name for name in copied if (opened.path / name).is_file()]
    check_contents(opened.path, copied)
    for name in copied:
        shutil.copyfile(opened.path / name, output / name)
    record_contents(output, copied)
    for field, component in components.items():
        name = names[field]
        counts[name] = _convert(component, output / name, dtype, format, max_shard_bytes)["."]
    if opened.model_type in GENERATORS and (beside := separator_folder(opened.path)):
        made = _convert(beside, output / SEPARATOR, dtype, format, max_shard_bytes)
        counts[SEPARATOR] = made["."]
    return counts


def _local_components(
    opened: CheckpointFolder, config: HFConfig, expected: Mapping[str, Component]
) -> dict[str, CheckpointFolder]:
    """Field of the configuration -> the checkpoint on this machine that it names.

    Raises:
      ValueError: it is none, or of another kind; those expected name no further ones, so that no
        chain is endless.
    """
    components = {}
    for field, component in expected.items():
        name = getattr(config, field)
        if opened.holds(field, name) or not HUB_NAME.fullmatch(name):
            components[field] = opened.component(field, name)
            kind = components[field].model_type
            if kind not in component.kinds:
                raise ValueError(
                    f"{opened.path}: {field}={name!r} is a {kind!r} checkpoint, expected one of "
                    f"{component.kinds}"
                )
    return components
