"""A generator and a codec unlike those of the package: stereo at 44.1 kHz, 100 latents a second, a
condition that is one vector for a whole clip, no attention, no layers in stacks."""

import dataclasses
from typing import Any, NamedTuple, Self

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from audiogen_jax.flow.flow_map import Distilled, Jump
from audiogen_jax.models.quirks import NO_QUIRKS, Quirks
from audiogen_jax.types import FrameMask, Latents, Params, Tokens

VOCABULARY = 128
CODEC_AXES = (
    (r"(analysis|synthesis)/kernel", (None, "embed")),
    (r"(analysis|synthesis)/bias", (None,)),
)
GENERATOR_AXES = (
    (r"bag/embedding", ("vocab", "embed")),
    (r"flow/(inward|outward)/kernel", (None, "embed")),
    (r"flow/(inward|outward)/bias", (None,)),
)


def no_release(quirks: Quirks) -> None:
    if quirks != NO_QUIRKS:
        raise ValueError("compat='release': this model has no release to follow")


@dataclasses.dataclass(frozen=True)
class StereoCodec:
    """441 samples of two channels <-> one latent frame, by one matrix each way."""

    width: int = 6

    sample_rate, channels, samples_per_latent, reach, min_samples = 44100, 2, 441, 0, 441
    encoder, decoder, axes, quirks = ("analysis",), ("synthesis",), CODEC_AXES, NO_QUIRKS

    @property
    def latent_dim(self) -> int:
        return self.width

    @property
    def settings(self) -> dict[str, Any]:
        return {"width": self.width}

    def with_quirks(self, quirks: Quirks) -> Self:
        no_release(quirks)
        return self

    def init(self, key: PRNGKeyArray) -> Params:
        analysis, synthesis = jax.random.split(key)
        return {
            "analysis": nn.Dense(self.width).init(analysis, jnp.zeros((1, 882)))["params"],
            "synthesis": nn.Dense(882).init(synthesis, jnp.zeros((1, self.width)))["params"],
        }

    def latent_length(self, samples: Any) -> Any:
        return samples // self.samples_per_latent

    def encode(
        self,
        params: Params,
        audio: Float[Array, "b n 2"],
        lengths: Int[Array, " b"] | None = None,
    ) -> Latents:
        frames = self.latent_length(audio.shape[1])
        patches = audio[:, : frames * 441].reshape(len(audio), frames, 882)
        valid = jnp.ones((len(audio), frames), bool)
        if lengths is not None:
            valid = jnp.arange(frames) < self.latent_length(lengths)[:, None]
        patches = jnp.where(valid[:, :, None], patches, 0)
        latents = nn.Dense(self.width).apply({"params": params["analysis"]}, patches)
        return jnp.where(valid[:, :, None], latents, 0)

    def decode(self, params: Params, latents: Latents) -> Float[Array, "b n 2"]:
        patches = nn.Dense(882).apply({"params": params["synthesis"]}, latents)
        return patches.reshape(len(latents), -1, 2)


class Summary(NamedTuple):
    """The condition: one vector a clip, and whether it has a prompt at all."""

    vector: Float[Array, "b d"]
    present: Bool[Array, " b"]


class Network(nn.Module):
    """Two matrices and a step into the past; nothing looks at more than two frames."""

    latent_dim: int
    width: int

    @nn.compact
    def __call__(
        self, x: Latents, sigma: Float[Array, " b"], summary: Summary, mask: FrameMask | None
    ) -> Latents:
        if mask is not None:
            x = jnp.where(mask[:, :, None], x, 0)
        before = jnp.pad(x[:, :-1], ((0, 0), (1, 0), (0, 0)))
        told = jnp.where(summary.present[:, None], summary.vector, 0)
        hidden = nn.Dense(self.width, name="inward")(jnp.concatenate([x, before], axis=-1))
        hidden = nn.gelu(hidden + told[:, None] + sigma[:, None, None])
        return nn.Dense(self.latent_dim, name="outward")(hidden)


@dataclasses.dataclass(frozen=True)
class BagGenerator:
    """Velocity from the mean embedding of a prompt's tokens; every clip lasts half a second."""

    latent_dim: int = 6
    width: int = 16

    latent_rate, window, max_tokens, vocab_size = 100.0, 40, 64, VOCABULARY
    min_frames = 1
    network, encoders, untrained, axes = "flow", ("bag",), (), GENERATOR_AXES
    quirks, timeline, edits = NO_QUIRKS, False, False

    @property
    def distilled(self) -> Distilled:
        return ""

    @property
    def _network(self) -> Network:
        return Network(self.latent_dim, self.width)

    @property
    def _bag(self) -> nn.Embed:
        return nn.Embed(VOCABULARY, self.width)

    def with_quirks(self, quirks: Quirks) -> Self:
        no_release(quirks)
        return self

    def as_distilled(self, into: Distilled) -> Self:
        raise ValueError("a bag of words has no flow map")

    def as_editor(self) -> Self:
        raise ValueError("a bag of words edits nothing")

    def init(self, key: PRNGKeyArray) -> dict[str, Params]:
        bag, flow = jax.random.split(key)
        x = jnp.zeros((1, 2, self.latent_dim))
        summary = Summary(jnp.zeros((1, self.width)), jnp.ones(1, bool))
        return {
            "bag": self._bag.init(bag, jnp.zeros((1, 1), jnp.int32))["params"],
            "flow": self._network.init(flow, x, jnp.zeros(1), summary, None)["params"],
        }

    def condition(
        self, params: Params, prompts: Tokens, *, dropout_key: PRNGKeyArray | None = None
    ) -> Summary:
        embedded = self._bag.apply({"params": params["bag"]}, prompts.ids)
        mask = jnp.asarray(prompts.mask)
        total = jnp.where(mask[:, :, None], embedded, 0).sum(axis=1)
        return Summary(total / mask.sum(axis=1, keepdims=True), jnp.ones(len(mask), bool))

    def unconditional(self, condition: Summary) -> Summary:
        return condition._replace(present=jnp.zeros_like(condition.present))

    def on_frames(self, condition: Summary, first: Any, frames: int) -> Summary:
        return condition

    def frames(self, condition: Summary) -> Int[np.ndarray, " b"]:
        return np.full(len(condition.present), 50, np.int32)

    def duration_loss(self, condition: Summary, seconds: Float[Array, " b"]) -> Float[Array, ""]:
        return jnp.zeros(())

    def velocity(
        self,
        params: Params,
        condition: Summary,
        x: Latents,
        sigma: Float[Array, " b"],
        frame_mask: FrameMask | None,
        jump: Jump | None = None,
    ) -> Latents:
        return self._network.apply({"params": params["flow"]}, x, sigma, condition, frame_mask)

    def for_sampling(self, params: Params) -> Params:
        return params

    def cache(self, params: Params, condition: Summary, unconditional: int = 0) -> Summary:
        nothing = jnp.zeros((unconditional, self.width)), jnp.zeros(unconditional, bool)
        return Summary(*(jnp.concatenate(pair) for pair in zip(nothing, condition, strict=True)))

    def levels(
        self, params: Params, sigmas: Float[Array, " n"], jump: Jump | None = None
    ) -> Float[Array, " n"]:
        return sigmas

    def sampling_velocity(
        self,
        params: Params,
        cache: Summary,
        level: Float[Array, ""],
        x: Latents,
        frame_mask: FrameMask | None,
    ) -> Latents:
        return self.velocity(params, cache, x, jnp.full(len(x), level), frame_mask)
