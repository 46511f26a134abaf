"""Audio-Omni as a `Generator`: thinker, transcript, video and reference audio to velocities.

Parameters are {"thinker": ..., "omni": ...}, the thinker's only where it is part of the model.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, DTypeLike, Float, Int, PRNGKeyArray

from audiogen_jax.flow.flow_map import Distilled, Jump
from audiogen_jax.layers.apply import apply
from audiogen_jax.models.omni import cached_dit
from audiogen_jax.models.omni.axes import NETWORK
from audiogen_jax.models.omni.conditioners.mel import draw_span, hide_span, log_mel
from audiogen_jax.models.omni.conditioners.thinker_features import pack
from audiogen_jax.models.omni.config import OmniConfig
from audiogen_jax.models.omni.dit import DiT
from audiogen_jax.models.omni.encoded_prompts import (
    EncodedPrompts,
    array_shapes,
    clip_arrays,
    stored_prompts,
)
from audiogen_jax.models.omni.initial import branches_of_zeros, halved
from audiogen_jax.models.omni.network import OmniNetwork
from audiogen_jax.models.omni.prompts import Features, OmniPrompts, Thinker
from audiogen_jax.models.prompting import Ragged
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.sharding.placement import AxisRules, beneath
from audiogen_jax.types import FrameMask, Latents, Params, TokenMask, Tokens

TEXT_TOKENS = 512
"""Longest text where there is no thinker that says so."""


class Condition(NamedTuple):
    """What the velocity network knows of every clip.

    Attributes:
      context: tokens of the thinker, then of the transcript.
      context_mask: True at tokens.
      prefix: tokens of the video, then of the reference audio.
    """

    context: Float[Array, "b m e"]
    context_mask: TokenMask
    prefix: Float[Array, "b p e"]


@dataclasses.dataclass(frozen=True)
class AudioOmni:
    """A `models.protocols.Generator`, and a `models.prompting.ReadsAhead`.

    Attributes:
      config: sizes of conditioners and velocity network.
      thinker: reads instructions; without one, prompts hold `Features`.
      dtype: of the computation; norms, softmax and rotary angles are float32 in any.
      remat: policy of `jax.checkpoint_policies` by which blocks are rematerialised.
      unroll: blocks as a Python loop instead of a scan.
      quirks: of the PyTorch release.
      halved_init: every parameter of the velocity network starts at half of its draw, norms and
        frequencies too, as those of the release did.
    """

    config: OmniConfig
    thinker: Thinker | None = None
    dtype: DTypeLike = jnp.float32
    remat: str | None = None
    unroll: bool = False
    quirks: Quirks = Quirks()
    halved_init: bool = False

    network = "omni"
    timeline, edits = False, False
    untrained = ()

    @property
    def encoders(self) -> tuple[str, ...]:
        return () if self.thinker is None else ("thinker",)

    @property
    def axes(self) -> AxisRules:
        rules = beneath("omni", NETWORK)
        return rules if self.thinker is None else rules + beneath("thinker", self.thinker.axes)

    @property
    def distilled(self) -> Distilled:
        return ""

    @property
    def latent_dim(self) -> int:
        return self.config.io_channels

    @property
    def latent_rate(self) -> float:
        return self.config.sample_rate / self.config.downsampling_ratio

    @property
    def window(self) -> int:
        return self.config.window

    @property
    def min_frames(self) -> int:
        """The release was trained on clips of one length, and samples no other."""
        return self.config.window

    @property
    def max_tokens(self) -> int:
        return TEXT_TOKENS if self.thinker is None else self.thinker.max_tokens

    @property
    def vocab_size(self) -> int:
        return 2**31 if self.thinker is None else self.thinker.vocab_size

    def with_quirks(self, quirks: Quirks) -> Self:
        return dataclasses.replace(self, quirks=quirks)

    def as_distilled(self, into: Distilled) -> Self:
        raise ValueError("Audio-Omni cannot be distilled: that is not built")

    def as_editor(self) -> Self:
        raise ValueError("Audio-Omni edits by its own prompts: train it on those (flow_matching)")

    @functools.cached_property
    def _network(self) -> OmniNetwork:
        return OmniNetwork(self.config, dtype=self.dtype, remat=self.remat, unroll=self.unroll)

    @functools.cached_property
    def _dit(self) -> DiT:
        return DiT(self.config, dtype=self.dtype)

    def init(self, key: PRNGKeyArray) -> dict[str, Params]:
        c = self.config
        thinker_key, network_key = jax.random.split(key)
        network = self._network.init(
            network_key,
            jnp.zeros((1, 2, c.thinker_dim)),
            jnp.ones((1, 2), bool),
            jnp.zeros((1, c.text_length), jnp.int32),
            jnp.ones(1, bool),
            jnp.zeros((1, c.sync_length, c.sync_dim)),
            jnp.zeros((1, c.mel_frames, c.n_mels)),
            jnp.zeros((1, 2, c.io_channels)),
            jnp.zeros(1),
        )
        drawn: Params = network["params"]
        dit = branches_of_zeros(drawn["dit"])
        params: dict[str, Params] = {
            "omni": {**drawn, "dit": halved(dit) if self.halved_init else dit}
        }
        if self.thinker is not None:
            params["thinker"] = self.thinker.init(thinker_key)
        return params

    def condition(
        self,
        params: Params,
        prompts: OmniPrompts | EncodedPrompts | Tokens,
        *,
        dropout_key: PRNGKeyArray | None = None,
    ) -> Condition:
        """See `Generator.condition`.

        Args:
          params: of the generator.
          prompts: all conditions, encoded before or not, or the tokens of instructions alone.
          dropout_key: for training: hides a part of the voice of clips with a transcript. Where
            prompts were encoded before, this voice is the clip itself: the end is hidden without.

        Raises:
          ValueError: an instruction, and no thinker to read it.
        """
        if isinstance(prompts, EncodedPrompts):
            encoded, hiding = prompts, True
        else:
            encoded, hiding = self.encode_prompts(params, prompts), dropout_key is not None
        context, mask = apply(
            self._network,
            params["omni"],
            *encoded.features,
            encoded.transcript,
            encoded.has_transcript,
            self.quirks.normed_empty_transcript,
            method="context",
        )
        mel = encoded.mel
        if hiding:
            shares = self.config.mask_ratio_start, self.config.mask_ratio_end
            clips, frames = mel.shape[:2]
            span = draw_span(dropout_key, frames, clips, shares)
            hidden = hide_span(mel, *span)
            mel = jnp.where(encoded.has_transcript[:, None, None], hidden, mel)
        prefix = apply(self._network, params["omni"], encoded.sync, mel, method="prefix")
        return Condition(context, mask, prefix)

    def encode_prompts(self, params: Params, prompts: OmniPrompts | Tokens) -> EncodedPrompts:
        """See `ReadsAhead`.

        Raises:
          ValueError: an instruction, and no thinker to read it.
        """
        if isinstance(prompts, Tokens):
            prompts = OmniPrompts.of_instruction(prompts, self.config, len(prompts.ids))
        features = pack(*self.features(params, prompts), self.config.pad_length)
        mel = log_mel(jnp.asarray(prompts.audio), self.config)
        return EncodedPrompts(
            Features(*features), prompts.transcript, prompts.has_transcript, mel, prompts.sync
        )

    def clip_arrays(self, prompts: EncodedPrompts) -> list[dict[str, np.ndarray]]:
        return clip_arrays(prompts)

    def stored_prompts(self, arrays: Mapping[str, Ragged]) -> EncodedPrompts:
        return stored_prompts(arrays, self.config)

    def array_shapes(self, tokens: int) -> Mapping[str, jax.ShapeDtypeStruct]:
        return array_shapes(self.config, tokens)

    def without_encoders(self) -> Self:
        return dataclasses.replace(self, thinker=None)

    def features(self, params: Params, prompts: OmniPrompts) -> Features:
        """Hidden states of the instructions."""
        if isinstance(prompts.instruction, Features):
            return prompts.instruction
        if self.thinker is None:
            raise ValueError("this model has no thinker: give `Features` in place of instructions")
        states = self.thinker.hidden_states(params["thinker"], prompts.instruction)
        return Features(*jax.lax.stop_gradient(states))

    def unconditional(self, condition: Condition) -> Condition:
        """Zero context under the same mask; video and reference audio stay."""
        return condition._replace(context=jnp.zeros_like(condition.context))

    def on_frames(
        self, condition: Condition, first: int | Int[Array, " b"], frames: int
    ) -> Condition:
        return condition

    def frames(self, condition: Condition) -> Int[np.ndarray, " b"]:
        """Every clip is as long as those of the training."""
        return np.full(len(condition.context), self.window)

    def duration_loss(self, condition: Condition, seconds: Float[Array, " b"]) -> Float[Array, ""]:
        return jnp.zeros(())

    def velocity(
        self,
        params: Params,
        condition: Condition,
        x: Latents,
        sigma: Float[Array, " b"],
        frame_mask: FrameMask | None,
        jump: Jump | None = None,
    ) -> Latents:
        arguments = x, sigma, *condition, frame_mask
        return apply(self._network, params["omni"], *arguments, method="velocity")

    def for_sampling(self, params: Params) -> Params:
        """The blocks of the DiT apart; see `cached_dit`."""
        network = params["omni"]
        return {**params, "omni": {**network, "dit": cached_dit.unstack_blocks(network["dit"])}}

    def cache(
        self, params: Params, condition: Condition, unconditional: int = 0
    ) -> cached_dit.Cache:
        """Rows without a prompt keep the video and the reference audio of the first prompts."""
        prefix = jnp.concatenate([condition.prefix[:unconditional], condition.prefix])
        context = condition.context, condition.context_mask
        return cached_dit.prepare(self._dit, params["omni"]["dit"], *context, prefix)

    def levels(
        self, params: Params, sigmas: Float[Array, " n"], jump: Jump | None = None
    ) -> Float[Array, "n d"]:
        return cached_dit.prepare_levels(self._dit, params["omni"]["dit"], sigmas)

    def sampling_velocity(
        self,
        params: Params,
        cache: cached_dit.Cache,
        level: Float[Array, " d"],
        x: Latents,
        frame_mask: FrameMask | None,
    ) -> Latents:
        dit = params["omni"]["dit"]
        return cached_dit.cached_velocity(self._dit, dit, cache, level, x, frame_mask)
