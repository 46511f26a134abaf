"""A hash of what decides a codec's latents."""

import hashlib

import jax
import numpy as np

from audiogen_jax.models.protocols import AudioCodec
from audiogen_jax.types import Params, path_name


def encoder_sha256(codec: AudioCodec, params: Params) -> str:
    """One hash over the encoder's settings and float32 parameters, as they are in memory.

    Neither the decoder nor the format, name or shards of a checkpoint change it: a codec whose
    decoder was trained on keeps its latents. Parameters rounded to bfloat16 are another encoder.

    Args:
      codec: the model.
      params: its parameters, or those of `codec.encoder` alone.
    """
    digest = hashlib.sha256()
    for name, value in codec.settings.items():
        digest.update(f"{name}={value}\n".encode())
    encoder = {name: params[name] for name in codec.encoder}
    for path, leaf in jax.tree.leaves_with_path(encoder):
        values = np.ascontiguousarray(leaf, dtype="<f4")
        digest.update(f"{path_name(path)} {values.shape}\n".encode())
        digest.update(values.data)
    return digest.hexdigest()
