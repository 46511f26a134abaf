"""T5EncoderModel and MT5EncoderModel checkpoints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from audiogen_jax.checkpoints.mapping import Rule, check_tensors, export_params, import_params
from audiogen_jax.checkpoints.orbax import open_tensors, rules_of
from audiogen_jax.checkpoints.safetensors import parse_config, read_config, write_folder
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.models.t5.encoder import T5Encoder
from audiogen_jax.types import Params

_BLOCK = "encoder.block.{i}.layer"
# One tensor under two names; a file may hold either or both.
_SHARED, _ENCODERS_OWN = "shared.weight", "encoder.embed_tokens.weight"
_EMBEDDING = ("token_embed/embedding", "vd->vd")
RULES = (
    Rule(_SHARED, *_EMBEDDING),
    # The release stores the bias in the first block and uses it in all.
    Rule(
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        "relative_bias/embedding",
        "nh->nh",
    ),
    Rule(f"{_BLOCK}.0.SelfAttention.q.weight", "blocks/attention/query/kernel", "oi->io"),
    Rule(f"{_BLOCK}.0.SelfAttention.k.weight", "blocks/attention/key/kernel", "oi->io"),
    Rule(f"{_BLOCK}.0.SelfAttention.v.weight", "blocks/attention/value/kernel", "oi->io"),
    Rule(f"{_BLOCK}.0.SelfAttention.o.weight", "blocks/attention/out/kernel", "oi->io"),
    Rule(f"{_BLOCK}.0.layer_norm.weight", "blocks/attention_norm/scale"),
    Rule(f"{_BLOCK}.1.DenseReluDense.wi_0.weight", "blocks/gate/kernel", "oi->io"),
    Rule(f"{_BLOCK}.1.DenseReluDense.wi_1.weight", "blocks/value/kernel", "oi->io"),
    Rule(f"{_BLOCK}.1.DenseReluDense.wo.weight", "blocks/mlp_out/kernel", "oi->io"),
    Rule(f"{_BLOCK}.1.layer_norm.weight", "blocks/mlp_norm/scale"),
    Rule("encoder.final_layer_norm.weight", "final_norm/scale"),
)

# Files of whole models hold a decoder.
_IGNORE = r"decoder\..*|lm_head\..*|encoder\.embed_tokens\.weight"


def t5_template(config: T5Config, dtype: Any = jnp.float32) -> Params:
    """Shapes of the encoder's parameters."""
    model = T5Encoder(config, param_dtype=dtype)
    ids, mask = jnp.zeros((1, 2), jnp.int32), jnp.ones((1, 2), bool)
    return jax.eval_shape(model.init, jax.random.key(0), ids, mask)["params"]


def load_t5(
    folder: str | Path, dtype: Any = jnp.float32, place: Callable = lambda value: value
) -> tuple[T5Config, Params]:
    """Reads a text encoder.

    Args:
      folder: config.json and the weights.
      dtype: of the parameters, whatever that of the file.
      place: see `import_params`.

    Raises:
      FileNotFoundError: one of the files is not there.
      ValueError: the tensors are not those of the configuration; all differences are named.
    """
    config = parse_config(folder, T5Config, read_config(folder))
    template, file = t5_template(config, dtype), open_tensors(folder)
    names = file.shapes()
    released = RULES
    if _SHARED not in names and _ENCODERS_OWN in names:
        released = (Rule(_ENCODERS_OWN, *_EMBEDDING), *RULES[1:])
    rules, _ = rules_of(file, released, (), template)
    check_tensors(file, rules, (), template, _IGNORE)
    return config, import_params(file, rules, template, place=place)


def save_t5(
    folder: str | Path,
    config: T5Config,
    params: Params,
    dtype: Any = None,
    max_shard_bytes: int | None = None,
) -> None:
    """Writes a text encoder in the layout that `load_t5` reads.

    Args:
      folder: made if it does not exist.
      config: its configuration.
      params: its parameters.
      dtype: of the file; that of the parameters if None.
      max_shard_bytes: see `write_folder`.
    """
    tensors = export_params(params, RULES, ())
    write_folder(folder, config.to_hf(), tensors, dtype, max_shard_bytes)
