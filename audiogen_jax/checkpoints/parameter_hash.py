"""Hashes of parameters in memory, and of what decides a codec's latents."""

import hashlib
from collections.abc import Mapping

import jax
import numpy as np

from audiogen_jax.models.protocols import AudioCodec
from audiogen_jax.types import Params, path_name


def params_sha256(params: Params, settings: Mapping[str, object] | None = None) -> str:
    """One hash over settings and the names, shapes and float32 values of parameters.

    Args:
      params: as they are in memory: rounded to bfloat16 they are others.
      settings: what else decides what a model makes.
    """
    digest = hashlib.sha256()
    for name, value in (settings or {}).items():
        digest.update(f"{name}={value}\n".encode())
    for path, leaf in jax.tree.leaves_with_path(params):
        values = np.ascontiguousarray(leaf, dtype="<f4")
        digest.update(f"{path_name(path)} {values.shape}\n".encode())
        digest.update(values.data)
    return digest.hexdigest()


def encoder_sha256(codec: AudioCodec, params: Params) -> str:
    """The hash of a codec's encoder, by which latents are told from those of another.

    Neither the decoder nor the format, name or shards of a checkpoint change it: a codec whose
    decoder was trained on keeps its latents.

    Args:
      codec: the model.
      params: its parameters, or those of `codec.encoder` alone.
    """
    return params_sha256({name: params[name] for name in codec.encoder}, codec.settings)
