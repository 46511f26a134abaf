"""The batches that a config asks for: recordings of manifests, or latents encoded beforehand."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from audiogen_jax.input.audio_batches import DataConfig, make_iterator
from audiogen_jax.input.edits.batches import EditDataConfig, make_edit_iterator
from audiogen_jax.input.latent_batches import LatentDataConfig, make_latent_iterator
from audiogen_jax.input.mixture import TOKENS, RowsOf
from audiogen_jax.input.prompt_arrays import LENGTHS, VALUES
from audiogen_jax.input.resumable import ResumableBatches
from audiogen_jax.models.prompting import Ragged
from audiogen_jax.types import Tokens

Lengths: TypeAlias = Int[Array | np.ndarray, " b"]
Flags: TypeAlias = Bool[Array | np.ndarray, " b"]


class AudioBatch(NamedTuple):
    """Recordings.

    Attributes:
      audio: zero-padded samples.
      lengths: valid samples of each clip.
      drop_condition: clips that are shown without their text.
      tokens: texts, if the stage reads any.
      source: zero-padded samples of the recordings that become `audio`, if it is about such.
      drop_source: clips that are shown without them.
      without: view -> texts without it, if the stage reads such.
    """

    audio: Float[Array | np.ndarray, "b n a"]
    lengths: Lengths
    drop_condition: Flags
    tokens: Tokens | None
    source: Float[Array | np.ndarray, "b n a"] | None = None
    drop_source: Flags | None = None
    without: Mapping[str, Tokens] | None = None

    @property
    def mono(self) -> Float[Array, "b n"]:
        """Audio of one channel, without that axis."""
        return jnp.asarray(self.audio)[..., 0]


class LatentBatch(NamedTuple):
    """Recordings as latents.

    Attributes:
      latents: zero-padded.
      lengths: valid frames of each clip.
      drop_condition: clips that are shown without their text.
      tokens: texts, if the stage reads any.
      prompts: what a generator's frozen parts made of prompts, in the place of texts.
      without: view -> texts without it, if the stage reads such.
    """

    latents: Float[Array | np.ndarray, "b t c"]
    lengths: Lengths
    drop_condition: Flags
    tokens: Tokens | None
    prompts: Mapping[str, Ragged] | None = None
    without: Mapping[str, Tokens] | None = None


Batch: TypeAlias = AudioBatch | LatentBatch


class HostBatch(NamedTuple):
    """What this process loaded of a batch.

    Attributes:
      clip_ids: of its clips.
      arrays: as numpy, to go to the devices.
      replaced: of each clip, why those in whose place it stands could not be read.
    """

    clip_ids: list[str]
    arrays: Batch
    replaced: list[list[str]]


def open_batches(
    data: DataConfig | EditDataConfig | LatentDataConfig,
    split: str,
    seed: int,
    rows: RowsOf = range,
    encoder_sha256: str = "",
    prompts_sha256: str = "",
) -> ResumableBatches[dict[str, np.ndarray]]:
    """Endless batches of one process; `host_batch` gives their fields names.

    Args:
      data: of which manifests, pairs or latents.
      split: "train" or "val".
      seed: of order and augmentation.
      rows: which rows of every batch this process loads.
      encoder_sha256: of the encoder that must have made all latents; any if empty.
      prompts_sha256: of what must have read all encoded prompts; any if empty.

    Raises:
      ValueError: as the pipelines do.
    """
    data = dataclasses.replace(data, split=split, seed=seed)
    if isinstance(data, LatentDataConfig):
        data = dataclasses.replace(data, tokenizer_hash=encoder_sha256, prompts_hash=prompts_sha256)
        return make_latent_iterator(data, rows)
    if isinstance(data, EditDataConfig):
        return make_edit_iterator(data, rows)
    return make_iterator(data, rows)


def host_batch(fields: Mapping[str, np.ndarray]) -> HostBatch:
    """The fields of one batch of `open_batches` by their types."""
    tokens = _tokens(fields, "") if "token_ids" in fields else None
    views = [name.partition("/")[2] for name in fields if name.startswith("token_ids/")]
    without = {view: _tokens(fields, f"/{view}") for view in views} or None
    common = fields["lengths"], fields["drop_condition"], tokens
    clip_ids = [str(clip_id) for clip_id in fields["id"]]
    replaced = [str(text).splitlines() for text in fields.get("replaced", ())]
    if "latents" in fields:
        names = [name.removeprefix(VALUES) for name in fields if name.startswith(VALUES)]
        prompts = {name: Ragged(fields[VALUES + name], fields[LENGTHS + name]) for name in names}
        latents = LatentBatch(fields["latents"], *common, prompts or None, without)
        return HostBatch(clip_ids, latents, replaced)
    edits = fields.get("source"), fields.get("drop_source")
    return HostBatch(clip_ids, AudioBatch(fields["audio"], *common, *edits, without), replaced)


def _tokens(fields: Mapping[str, np.ndarray], suffix: str) -> Tokens:
    ids, mask, spans = (fields.get(name + suffix) for name in TOKENS)
    assert ids is not None and mask is not None
    return Tokens(ids, mask, spans)
