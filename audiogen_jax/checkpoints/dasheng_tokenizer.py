"""DashengTokenizer checkpoints."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from audiogen_jax.checkpoints.dasheng_tokenizer_names import tokenizer_buffers, tokenizer_rules
from audiogen_jax.checkpoints.mapping import (
    check_tensors,
    export_params,
    import_params,
    with_dtype,
)
from audiogen_jax.checkpoints.orbax import open_tensors, rules_of
from audiogen_jax.checkpoints.safetensors import parse_config, read_config, write_folder
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer
from audiogen_jax.types import Params


def tokenizer_template(config: TokenizerConfig, dtype: Any = jnp.float32) -> Params:
    """Shapes of the tokenizer's parameters."""
    model = DashengTokenizer(config)
    variables = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 1600)))
    return with_dtype(variables["params"], dtype)


ENCODER = ("audio_encoder", "acoustic_injection")
DECODER = ("upsampler", "decoder")


class TokenizerCheckpoint:
    """An audio tokenizer on disk, checked; its parts are read when asked for.

    Attributes:
      config: its configuration.
    """

    def __init__(self, folder: str | Path, dtype: Any = jnp.float32):
        """Checks the names and shapes of all tensors.

        Args:
          folder: config.json and the weights.
          dtype: of the parameters, whatever that of the file.

        Raises:
          FileNotFoundError: one of the files is not there.
          ValueError: the tensors are not those of the configuration; all differences are named.
        """
        self.config = parse_config(folder, TokenizerConfig, read_config(folder))
        self._file = open_tensors(folder)
        self._template = tokenizer_template(self.config, dtype)
        released = tokenizer_rules(self.config), tokenizer_buffers(self.config)
        self._rules, buffers = rules_of(self._file, *released, self._template)
        check_tensors(self._file, self._rules, buffers, self._template)

    def read(self, parts: Collection[str], place: Callable = lambda value: value) -> Params:
        """Some of the parameters: `ENCODER`, `DECODER` or both; `place` as in `import_params`."""
        return import_params(self._file, self._rules, self._template, place=place, only=parts)


def load_tokenizer(folder: str | Path, dtype: Any = jnp.float32) -> tuple[TokenizerConfig, Params]:
    """Reads a whole audio tokenizer; see `TokenizerCheckpoint`."""
    checkpoint = TokenizerCheckpoint(folder, dtype)
    return checkpoint.config, checkpoint.read(())


def save_tokenizer(
    folder: str | Path,
    config: TokenizerConfig,
    params: Params,
    dtype: Any = None,
    max_shard_bytes: int | None = None,
) -> None:
    """Writes an audio tokenizer in the layout that `load_tokenizer` reads.

    Args:
      folder: made if it does not exist.
      config: its configuration.
      params: its parameters.
      dtype: of the file; that of the parameters if None.
      max_shard_bytes: see `write_folder`.
    """
    tensors = export_params(params, tokenizer_rules(config), tokenizer_buffers(config))
    write_folder(folder, config.to_hf(), tensors, dtype, max_shard_bytes)
