"""Qwen2 and Qwen2.5 checkpoints in the hub's layout: a decoder of text with its tokenizer."""

import functools
from pathlib import Path
from typing import NamedTuple

import jax

from audiogen_jax.checkpoints.folder import CheckpointFolder, open_checkpoint
from audiogen_jax.checkpoints.hub import cached
from audiogen_jax.checkpoints.layout import Layout
from audiogen_jax.checkpoints.mapping import Put, on_host
from audiogen_jax.checkpoints.parameter_file import ParameterFile
from audiogen_jax.checkpoints.qwen_omni import decoder_rules
from audiogen_jax.checkpoints.releases import QWEN2, about
from audiogen_jax.input.byte_pairs import BytePairTokenizer
from audiogen_jax.models.omni.thinker.text import TextDecoder, unstack
from audiogen_jax.models.qwen2 import Qwen2Config
from audiogen_jax.types import Params

LAYOUT = Layout(tuple(decoder_rules()))
"""Where a release keeps the parameters; the head is the table of tokens, and no tensor."""


class LoadedQwen2(NamedTuple):
    """A decoder with its parameters and its text tokenizer.

    Attributes:
      folder: of the checkpoint.
      decoder: the model.
      params: its parameters, layers apart.
      reader: of its texts.
    """

    folder: Path
    decoder: TextDecoder
    params: Params
    reader: BytePairTokenizer


def downloaded_qwen2() -> Path | None:
    """The folder of a published checkpoint that has been downloaded, if one has."""
    return next((folder for name in QWEN2 if (folder := cached(name))), None)


def load_qwen2(source: str | Path, put: Put = on_host) -> LoadedQwen2:
    """Reads a checkpoint, to compute in float32 whatever its file has.

    Args:
      source: a folder in Hugging Face layout or the name of a hub repository.
      put: see `split_layers`.

    Raises:
      ValueError: there is no such checkpoint, or it does not hold what it should.
    """
    opened = open_checkpoint(source)
    config = read_qwen2_config(opened)
    file = ParameterFile(opened.tensors, LAYOUT, qwen2_template(config))
    params = unstack(file.read(put=put, stacked=False))
    params = {**params, "head": params["embed"]}
    reader = BytePairTokenizer(opened.path, config.vocab_size)
    return LoadedQwen2(opened.path, TextDecoder(config), params, reader)


def read_qwen2_config(opened: CheckpointFolder) -> Qwen2Config:
    """The configuration of a checkpoint.

    Raises:
      ValueError: config.json is of another model, or not what it should be.
    """
    if opened.model_type != Qwen2Config.MODEL_TYPE:
        raise ValueError(
            f"{opened.path} holds a model of type {opened.model_type!r}: expected 'qwen2', such as "
            f"{about(next(iter(QWEN2)))}"
        )
    return opened.config(Qwen2Config)


@functools.lru_cache(maxsize=8)  # as tracing takes a second
def qwen2_template(config: Qwen2Config) -> Params:
    """Shapes of the parameters, float32, layers stacked."""
    shapes = jax.eval_shape(TextDecoder(config).init, jax.random.key(0))
    return {name: shapes[name] for name in shapes if name != "head"}
