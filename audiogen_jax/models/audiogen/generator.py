"""Dasheng AudioGen as a `Generator`: T5, content adapter with durations, U-skip DiT.

Parameters are {"text_encoder": ..., "audiogen": ...}; gradients flow through both.
"""

import dataclasses
import functools
from typing import NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, DTypeLike, Float, Int, PRNGKeyArray

from audiogen_jax.flow.flow_map import Distilled, Jump
from audiogen_jax.flow.loss import duration_loss
from audiogen_jax.layers.apply import apply
from audiogen_jax.models.audiogen.alignment import sounding_content
from audiogen_jax.models.audiogen.axes import AXES
from audiogen_jax.models.audiogen.cached_dit import (
    LevelCache,
    cached_velocity,
    prepare_levels,
    prepare_text,
    unstack_blocks,
)
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.dit import DiT, TextCache
from audiogen_jax.models.audiogen.durations import global_latent_lengths
from audiogen_jax.models.audiogen.network import AudioGen
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.models.t5.encoder import T5Encoder
from audiogen_jax.types import FrameMask, Latents, Params, TokenMask, Tokens

WINDOW_SECONDS = 10.0
"""Longest clip of the release's training; longer ones are sampled in windows."""


class Condition(NamedTuple):
    """What the velocity network knows of every clip.

    Attributes:
      context: adapted text.
      context_mask: True at tokens.
      time_aligned: content of every frame, or of all frames at once (axis of length 1).
      log_duration: predicted ln(seconds + duration_offset).
      spans: seconds from when to when each token sounds, 0 and 0 where that is not said; None:
        nothing is said of any, or `time_aligned` tells it already.
      source: latents of the recording to change, with or without a text; None of new clips.
    """

    context: Float[Array, "b l d"]
    context_mask: TokenMask
    time_aligned: Float[Array, "b _ d"]
    log_duration: Float[Array, " b"]
    spans: Float[Array, "b l 2"] | None = None
    source: Latents | None = None


class Cache(NamedTuple):
    """What sampling computes once per clip.

    Attributes:
      blocks: of every block of the DiT.
      context_mask: True at tokens, of the rows that have a prompt.
      beside: what recordings to change add to the embedded latents of all rows.
    """

    blocks: tuple[TextCache, ...]
    context_mask: TokenMask
    beside: Float[Array, "rows t d"] | None = None


@dataclasses.dataclass(frozen=True)
class DashengAudioGen:
    """A `models.protocols.Generator`.

    Attributes:
      config: sizes of the generator.
      text: sizes of its text encoder.
      special_token_ids: ids of `config.special_tokens`, where there are any.
      dtype: of the computation; norms, softmax and rotary angles are float32 in any.
      remat: policy of `jax.checkpoint_policies` by which layers are rematerialised.
      unroll: layers as a Python loop instead of a scan.
      quirks: of the PyTorch release.
    """

    config: AudioGenConfig
    text: T5Config
    special_token_ids: tuple[int, ...] = ()
    dtype: DTypeLike = jnp.float32
    remat: str | None = None
    unroll: bool = False
    quirks: Quirks = Quirks()

    min_frames = 1
    network = "audiogen"
    encoders = ("text_encoder",)
    axes = AXES
    untrained = (
        # Batches hold no durations per token, so this predictor stays as it was initialised.
        "audiogen/content_adapter/local_duration/.*",
        "audiogen/no_context",  # stands in for the context of time-aligned clips: none here
    )

    @property
    def latent_dim(self) -> int:
        return self.config.latent_dim

    @property
    def latent_rate(self) -> float:
        return self.config.latent_rate

    @property
    def window(self) -> int:
        return min(self.config.dit_img_size, round(WINDOW_SECONDS * self.latent_rate))

    @property
    def max_tokens(self) -> int:
        return self.config.tokenizer_max_length

    @property
    def timeline(self) -> bool:
        return self.config.timeline

    @property
    def distilled(self) -> Distilled:
        return self.config.distilled

    @property
    def edits(self) -> bool:
        return self.config.edits

    @property
    def vocab_size(self) -> int:
        return self.text.vocab_size

    def with_quirks(self, quirks: Quirks) -> Self:
        return dataclasses.replace(self, quirks=quirks)

    def as_distilled(self, into: Distilled) -> Self:
        config = dataclasses.replace(self.config, distilled=into)
        return dataclasses.replace(self, config=config)

    def as_editor(self) -> Self:
        return dataclasses.replace(self, config=dataclasses.replace(self.config, edits=True))

    @functools.cached_property
    def _network(self) -> AudioGen:
        sizes = self.config, self.text.d_model
        return AudioGen(*sizes, dtype=self.dtype, remat=self.remat, unroll=self.unroll)

    @functools.cached_property
    def _text_encoder(self) -> T5Encoder:
        return T5Encoder(self.text, dtype=self.dtype, remat=self.remat, unroll=self.unroll)

    @functools.cached_property
    def _dit(self) -> DiT:
        return DiT(self.config, dtype=self.dtype)

    def init(self, key: PRNGKeyArray) -> dict[str, Params]:
        text_key, network_key = jax.random.split(key)
        mask = jnp.ones((1, 2), bool)
        hidden = jnp.zeros((1, 2, self.text.d_model))
        latents = jnp.zeros((1, 4, self.latent_dim))
        ids, frame_mask = jnp.zeros((1, 2), jnp.int32), jnp.ones((1, 4), bool)
        text_encoder = self._text_encoder.init(text_key, ids, mask)
        network = self._network.init(network_key, hidden, mask, latents, frame_mask)
        return {"text_encoder": text_encoder["params"], "audiogen": network["params"]}

    def condition(
        self, params: Params, prompts: Tokens, *, dropout_key: PRNGKeyArray | None = None
    ) -> Condition:
        """See `Generator.condition`.

        Raises:
          ValueError: `special_token_ids` does not fit `config.special_tokens`, or prompts come
            with times, or with or without a recording, and the model was not trained so.
        """
        if prompts.spans is not None and not self.timeline:
            raise ValueError("times of tokens (Tokens.spans) for a model without `timeline`")
        if (prompts.source is None) == self.edits:
            raise ValueError(
                "this model changes recordings and makes no new ones: give it one (audiogen edit)"
                if self.edits
                else "recordings (Tokens.source) for a model that makes new ones alone"
            )
        special, ids = self.config.special_tokens, self.special_token_ids
        if len(ids) != len(special):
            raise ValueError(f"special_token_ids={ids} must hold one id for each of {special}")
        weights, text_weights = params["audiogen"], params["text_encoder"]
        network, encoder = self._network, self._text_encoder
        token_ids, token_mask = jnp.asarray(prompts.ids), jnp.asarray(prompts.mask)
        embeds = None
        if special:
            embeds = apply(encoder, text_weights, token_ids, method="embed")
            embeds = apply(
                network, weights, embeds, token_ids, ids, method="replace_special_tokens"
            )
        hidden = apply(encoder, text_weights, token_ids, token_mask, embeds)
        content = apply(network, weights, hidden, method="encode_text")
        rngs = None if dropout_key is None else {"dropout": dropout_key}
        adapted = apply(
            network, weights, content, token_mask, dropout_key is None, rngs=rngs, method="adapt"
        )
        aligned = apply(network, weights, len(token_ids), method="time_aligned_stand_in")
        spans = None if prompts.spans is None else jnp.asarray(prompts.spans)
        source = None
        if prompts.source is not None:
            source = jnp.asarray(prompts.source, jnp.float32)
        return Condition(
            adapted.content, token_mask, aligned, adapted.global_duration, spans, source
        )

    def unconditional(self, condition: Condition) -> Condition:
        """Zero context and zero time-aligned content under the same mask, beside the source."""
        kept = ("log_duration", "context_mask", "source")
        zeros = condition._replace(**dict.fromkeys(kept))
        zeros = jax.tree.map(jnp.zeros_like, zeros)
        return zeros._replace(**{name: getattr(condition, name) for name in kept})

    def on_frames(
        self, condition: Condition, first: int | Int[Array, " b"], frames: int
    ) -> Condition:
        """See `Generator.on_frames`: content of timed tokens at the frames where they sound."""
        if condition.source is not None:
            condition = condition._replace(source=_frames_of(condition.source, first, frames))
        if condition.spans is None:
            return condition
        spans = condition.spans * self.latent_rate - jnp.reshape(first, (-1, 1, 1))
        aligned = sounding_content(
            condition.context, spans, condition.context_mask, condition.time_aligned, frames
        )
        return condition._replace(time_aligned=aligned, spans=None)

    def frames(self, condition: Condition) -> Int[np.ndarray, " b"]:
        log_duration = np.asarray(condition.log_duration)
        if not np.isfinite(log_duration).all():
            raise ValueError(f"predicted durations are not finite: ln(s + offset) = {log_duration}")
        return global_latent_lengths(log_duration, self.config)

    def duration_loss(self, condition: Condition, seconds: Float[Array, " b"]) -> Float[Array, ""]:
        return duration_loss(condition.log_duration, seconds, self.config.duration_offset)

    def velocity(
        self,
        params: Params,
        condition: Condition,
        x: Latents,
        sigma: Float[Array, " b"],
        frame_mask: FrameMask | None,
        jump: Jump | None = None,
    ) -> Latents:
        condition = self.on_frames(condition, 0, x.shape[1])
        return apply(
            self._network,
            params["audiogen"],
            x,
            self._timestep(sigma),
            condition.context,
            condition.context_mask,
            condition.time_aligned,
            frame_mask,
            self.quirks.unmasked_final_convolution,
            jump,
            condition.source,
            method="velocity",
        )

    def for_sampling(self, params: Params) -> Params:
        """The blocks of the DiT apart, in the order in which they run; see `cached_dit`."""
        network = params["audiogen"]
        return {**params, "audiogen": {**network, "dit": unstack_blocks(network["dit"])}}

    def cache(self, params: Params, condition: Condition, unconditional: int = 0) -> Cache:
        """A clip without a prompt has the source as its content and needs no context at all."""
        aligned, source = condition.time_aligned, condition.source
        nothing = jnp.zeros((unconditional, *aligned.shape[1:]), aligned.dtype)
        aligned = jnp.concatenate([nothing, aligned])
        beside = None
        if source is not None:
            rows = jnp.concatenate([source[:unconditional], source])
            read = apply(self._network, params["audiogen"], rows, method="read_source")
            aligned, beside = aligned + read[0], read[1]
        blocks = prepare_text(self._dit, params["audiogen"]["dit"], condition.context, aligned)
        return Cache(blocks, condition.context_mask, beside)

    def levels(
        self, params: Params, sigmas: Float[Array, " n"], jump: Jump | None = None
    ) -> LevelCache:
        return prepare_levels(self._dit, params["audiogen"]["dit"], self._timestep(sigmas), jump)

    def sampling_velocity(
        self,
        params: Params,
        cache: Cache,
        level: LevelCache,
        x: Latents,
        frame_mask: FrameMask | None,
    ) -> Latents:
        velocity = cached_velocity(
            self._dit,
            params["audiogen"]["dit"],
            cache.blocks,
            cache.context_mask,
            frame_mask,
            self.quirks.unmasked_final_convolution,
            cache.beside,
        )
        return velocity(x, level)

    def _timestep(self, sigma: Array) -> Array:
        timestep = 1000.0 * sigma
        return jnp.trunc(timestep) if self.quirks.cut_timesteps else timestep


def _frames_of(
    latents: Latents, first: int | Int[Array, " b"], frames: int
) -> Float[Array, "b n c"]:
    """Some frames; past the end, where masks hide it, the last one again."""
    index = jnp.reshape(jnp.asarray(first), (-1, 1)) + jnp.arange(frames)
    index = jnp.broadcast_to(jnp.minimum(index, latents.shape[1] - 1), (len(latents), frames))
    return jnp.take_along_axis(latents, index[:, :, None], axis=1)
