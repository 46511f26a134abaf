"""T5EncoderModel and MT5EncoderModel checkpoints."""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.layout import Layout, Rule
from audiogen_jax.checkpoints.mapping import Put, on_host, with_dtype
from audiogen_jax.checkpoints.parameter_file import ParameterFile
from audiogen_jax.checkpoints.safetensors import save_safetensors
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.models.t5.encoder import T5Encoder
from audiogen_jax.types import Params

_BLOCK = "encoder.block.{i}.layer"
# One tensor under two names; a file may hold either or both.
_SHARED, _ENCODERS_OWN = "shared.weight", "encoder.embed_tokens.weight"
_EMBEDDING = "token_embed/embedding"
_RULES = (
    Rule(_SHARED, _EMBEDDING),
    # The release stores the bias in the first block and uses it in all.
    Rule(
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        "relative_bias/embedding",
    ),
    Rule(f"{_BLOCK}.0.SelfAttention.q.weight", "blocks/{i}/attention/query/kernel", "oi->io"),
    Rule(f"{_BLOCK}.0.SelfAttention.k.weight", "blocks/{i}/attention/key/kernel", "oi->io"),
    Rule(f"{_BLOCK}.0.SelfAttention.v.weight", "blocks/{i}/attention/value/kernel", "oi->io"),
    Rule(f"{_BLOCK}.0.SelfAttention.o.weight", "blocks/{i}/attention/out/kernel", "oi->io"),
    Rule(f"{_BLOCK}.0.layer_norm.weight", "blocks/{i}/attention_norm/scale"),
    Rule(f"{_BLOCK}.1.DenseReluDense.wi_0.weight", "blocks/{i}/gate/kernel", "oi->io"),
    Rule(f"{_BLOCK}.1.DenseReluDense.wi_1.weight", "blocks/{i}/value/kernel", "oi->io"),
    Rule(f"{_BLOCK}.1.DenseReluDense.wo.weight", "blocks/{i}/mlp_out/kernel", "oi->io"),
    Rule(f"{_BLOCK}.1.layer_norm.weight", "blocks/{i}/mlp_norm/scale"),
    Rule("encoder.final_layer_norm.weight", "final_norm/scale"),
)

# Files of whole models hold a decoder.
T5_LAYOUT = Layout(_RULES, ignore=r"decoder\..*|lm_head\..*|encoder\.embed_tokens\.weight")
"""Where the release keeps the parameters."""


def t5_template(config: T5Config, dtype: str | DTypeLike = jnp.float32) -> Params:
    """Shapes of the encoder's parameters."""
    return with_dtype(_shapes(config), dtype)


@functools.lru_cache(maxsize=8)  # as tracing takes a second
def _shapes(config: T5Config) -> Params:
    ids, mask = np.zeros((1, 2), np.int32), np.ones((1, 2), bool)
    return jax.eval_shape(T5Encoder(config).init, jax.random.key(0), ids, mask)["params"]


def load_t5(
    opened: CheckpointFolder,
    dtype: str | DTypeLike = jnp.float32,
    put: Put = on_host,
) -> tuple[T5Config, Params]:
    """Reads a text encoder.

    Args:
      opened: the checkpoint.
      dtype: of the parameters, whatever that of the file.
      put: see `stack_layers`.

    Raises:
      FileNotFoundError: there are no weights.
      ValueError: the tensors are not those of the configuration; all differences are named.
    """
    config = opened.config(T5Config)
    names, layout = opened.tensors.shapes(), T5_LAYOUT
    if _SHARED not in names and _ENCODERS_OWN in names:
        rules = (Rule(_ENCODERS_OWN, _EMBEDDING), *_RULES[1:])
        layout = dataclasses.replace(layout, rules=rules)
    file = ParameterFile(opened.tensors, layout, t5_template(config, dtype))
    return config, file.read(put=put)


def save_t5(
    folder: str | Path,
    config: T5Config,
    params: Params,
    dtype: str | DTypeLike | None = None,
    max_shard_bytes: int | None = None,
) -> None:
    """Writes a text encoder in the layout that `load_t5` reads.

    Args:
      folder: made if it does not exist.
      config: its configuration.
      params: its parameters.
      dtype: of the file; that of the parameters if None.
      max_shard_bytes: see `save_safetensors`.
    """
    save_safetensors(folder, config.to_hf(), params, T5_LAYOUT, dtype, max_shard_bytes)
