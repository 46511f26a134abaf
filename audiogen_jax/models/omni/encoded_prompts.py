"""Prompts after everything that is frozen, as a training reads them from a dataset.

Thinker, Synchformer and spectra never change in a training, so that they run once for each clip
and not in every step. What a clip lacks is left out of its arrays.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from audiogen_jax.models.omni.conditioners.mel import FLOOR
from audiogen_jax.models.omni.config import OmniConfig
from audiogen_jax.models.omni.prompts import Features
from audiogen_jax.models.prompting import Ragged
from audiogen_jax.ops.masks import length_mask

FEATURES, TRANSCRIPT, MEL, SYNC = "features", "transcript", "mel", "sync"


class EncodedPrompts(NamedTuple):
    """All that the trained network reads; the first axis is the clip.

    Attributes:
      features: hidden states of the instructions, packed to the left.
      transcript: see `OmniPrompts`.
      has_transcript: see `OmniPrompts`.
      mel: log-mel of the reference audio.
      sync: see `OmniPrompts`.
    """

    features: Features
    transcript: Int[Array | np.ndarray, "b s"]
    has_transcript: Bool[Array | np.ndarray, " b"]
    mel: Float[Array, "b t f"]
    sync: Float[Array | np.ndarray, "b v e"]


def array_shapes(config: OmniConfig, tokens: int) -> dict[str, jax.ShapeDtypeStruct]:
    """The arrays of a clip that has everything, with so many states of the thinker."""
    c, half = config, jnp.bfloat16
    return {
        FEATURES: jax.ShapeDtypeStruct((tokens, c.thinker_dim), half),
        TRANSCRIPT: jax.ShapeDtypeStruct((c.text_length,), jnp.int32),
        # Of its 11 bits, the logarithms of magnitudes need more than bfloat16 has.
        MEL: jax.ShapeDtypeStruct((c.mel_frames, c.n_mels), jnp.float16),
        SYNC: jax.ShapeDtypeStruct((c.sync_length, c.sync_dim), half),
    }


def clip_arrays(prompts: EncodedPrompts) -> list[dict[str, np.ndarray]]:
    """The arrays of every clip; transcripts end with their last id, no video is no array."""
    host: EncodedPrompts = jax.tree.map(np.asarray, prompts)
    mel_of_silence = np.float32(np.log(FLOOR))
    clips = []
    for row, mask in enumerate(host.features.mask):
        values = host.features.values[row, : mask.sum()].astype(ml_dtypes.bfloat16)
        arrays = {FEATURES: values}
        if host.has_transcript[row]:
            ids = host.transcript[row]
            arrays[TRANSCRIPT] = ids[: np.max(np.flatnonzero(ids)) + 1].astype(np.int32)
        if not np.allclose(host.mel[row], mel_of_silence):
            arrays[MEL] = host.mel[row].astype(np.float16)
        if host.sync[row].any():
            arrays[SYNC] = host.sync[row].astype(ml_dtypes.bfloat16)
        clips.append(arrays)
    return clips


def stored_prompts(arrays: Mapping[str, Ragged], config: OmniConfig) -> EncodedPrompts:
    """The prompts that `clip_arrays` were made of; traceable.

    Args:
      arrays: of a batch, by name; those that no clip has may be missing.
      config: of the network.

    Raises:
      ValueError: they are of another size than the network reads; the array is named.
    """
    features = arrays[FEATURES]
    expected = array_shapes(config, features.values.shape[1])
    clips = len(features.lengths)

    def whole(name: str, fill: float) -> Array:
        """One that every clip has in full or not at all."""
        shape = (clips, *expected[name].shape)
        if name not in arrays:
            return jnp.full(shape, fill, jnp.float32)
        values, lengths = arrays[name]
        if values.shape != shape:
            raise ValueError(f"prompts of {name} {values.shape[1:]}: expected {shape[1:]}")
        return jnp.where(lengths[:, None, None] > 0, values.astype(jnp.float32), fill)

    width = features.values.shape[2]
    if width != config.thinker_dim or features.values.shape[1] > config.pad_length:
        raise ValueError(
            f"prompts of {FEATURES} {features.values.shape[1:]}: expected at most "
            f"{(config.pad_length, config.thinker_dim)}"
        )
    transcript, spoken = jnp.zeros((clips, config.text_length), jnp.int32), jnp.zeros(clips, bool)
    if TRANSCRIPT in arrays:
        values, lengths = arrays[TRANSCRIPT]
        if values.shape[1] > config.text_length:
            raise ValueError(
                f"transcripts of {values.shape[1]} characters: expected at most "
                f"{config.text_length}"
            )
        filler = config.text_length - values.shape[1]
        transcript, spoken = jnp.pad(jnp.asarray(values), ((0, 0), (0, filler))), lengths > 0
    mask = length_mask(jnp.asarray(features.lengths), features.values.shape[1])
    return EncodedPrompts(
        Features(jnp.asarray(features.values), mask),
        transcript,
        spoken,
        whole(MEL, float(np.log(FLOOR))),
        whole(SYNC, 0.0),
    )
