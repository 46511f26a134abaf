"""A hash of what decides a tokenizer's latents."""

import hashlib

import jax
import numpy as np

from audiogen_jax.checkpoints.dasheng_tokenizer import ENCODER
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.types import Params, path_name

_SETTINGS = ("embed_dim", "depth", "num_heads", "n_mels_patch", "hop_length")


def encoder_sha256(config: TokenizerConfig, params: Params) -> str:
    """One hash over the encoder's configuration and float32 parameters, as they are in memory.

    Neither the decoder nor the format, name or shards of a checkpoint change it: a tokenizer whose
    decoder was trained on keeps its latents. Parameters rounded to bfloat16 are another encoder.

    Args:
      config: of the tokenizer.
      params: its parameters, or those of `ENCODER` alone.
    """
    digest = hashlib.sha256()
    for name in _SETTINGS:
        digest.update(f"{name}={getattr(config, name)}\n".encode())
    encoder = {name: params[name] for name in ENCODER}
    for path, leaf in jax.tree.leaves_with_path(encoder):
        values = np.ascontiguousarray(leaf, dtype="<f4")
        digest.update(f"{path_name(path)} {values.shape}\n".encode())
        digest.update(values)
    return digest.hexdigest()
