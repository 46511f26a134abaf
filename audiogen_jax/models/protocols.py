"""The two seams: what sampler, objectives, planner, jobs and evaluation ask of a model.

Whatever keeps these promises is generated from, trained, planned and evaluated without another
line outside of its family's folder in `models/` and its row in `checkpoints/registry.py`.
"""

from collections.abc import Mapping
from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from audiogen_jax.flow.flow_map import Distilled, Jump
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.sharding.placement import AxisRules
from audiogen_jax.types import Count, FrameMask, Latents, Params, Tokens

Condition: TypeAlias = Any
"""What a generator knows of its prompts: a pytree of arrays whose first axis is the clip. Where two
clips differ in another axis (text tokens), zeros at its end, False in masks, change nothing."""
Cache: TypeAlias = Any
"""What is computed once per clip, of a family's choice."""
Level: TypeAlias = Any
"""What is computed once per noise level: a pytree whose first axis is the level."""


@runtime_checkable
class Generator(Protocol):
    """Prompts to the velocity of latents. A frozen dataclass without parameters: they are passed.

    Attributes:
      latent_dim: channels of the latents.
      latent_rate: latent frames per second.
      window: most latent frames that the network sees at a time; longer clips are sampled in
        overlapping windows.
      min_frames: fewest latent frames that are sampled; shorter clips are the start of so many.
      max_tokens: longest text.
      distilled: what its network was distilled into: it predicts guided velocities ("guided") or
        their means ("flow_map") and has to be given a `Jump`; "": velocities of its condition.
      timeline: was it trained with the times at which tokens sound, and so takes `Tokens.spans`?
      edits: was it trained to change recordings, and so takes `Tokens.source`? Zeros stand for no
        recording.
      vocab_size: token ids of texts are below it.
      network: name of the velocity network in the parameter tree, which adapters change.
      encoders: names of pre-trained encoders of the condition in the tree; a training may freeze
        them.
      axes: names of the axes of the parameters, to place them on a mesh.
      untrained: regular expressions of parameter paths that flow matching gives no gradient.
      quirks: of the PyTorch release, none unless asked for.
    """

    @property
    def latent_dim(self) -> int: ...
    @property
    def latent_rate(self) -> float: ...
    @property
    def window(self) -> int: ...
    @property
    def min_frames(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def timeline(self) -> bool: ...
    @property
    def distilled(self) -> Distilled: ...
    @property
    def edits(self) -> bool: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def network(self) -> str: ...
    @property
    def encoders(self) -> tuple[str, ...]: ...
    @property
    def axes(self) -> AxisRules: ...
    @property
    def untrained(self) -> tuple[str, ...]: ...
    @property
    def quirks(self) -> Quirks: ...

    def with_quirks(self, quirks: Quirks) -> Self:
        """The same generator with the quirks of its release.

        Raises:
          ValueError: it has no release that differs.
        """
        ...

    def as_distilled(self, into: Distilled) -> Self:
        """The same generator to be distilled: with parameters more, which begin without effect.

        Raises:
          ValueError: its family has no such form.
        """
        ...

    def as_editor(self) -> Self:
        """The same generator as one that `edits`: with parameters more, which begin without effect.

        Raises:
          ValueError: its family has no such form.
        """
        ...

    def init(self, key: PRNGKeyArray) -> dict[str, Params]:
        """Random parameters, by the names `network` and `encoders`; traceable."""
        ...

    def condition(
        self, params: Params, prompts: Tokens, *, dropout_key: PRNGKeyArray | None = None
    ) -> Condition:
        """All that sampling and losses need of some prompts; dropout is for training."""
        ...

    def unconditional(self, condition: Condition) -> Condition:
        """The same clips without their texts, as training for guidance shows them."""
        ...

    def on_frames(
        self, condition: Condition, first: int | Int[Array, " b"], frames: int
    ) -> Condition:
        """The condition of some frames of the clip, in the terms of a network that sees no others.

        Args:
          condition: of whole clips, where prompts came with times of what sounds; see `Tokens`.
            Without times it stays as it is.
          first: latent frame at which they begin, of all clips or of each.
          frames: how many.
        """
        ...

    def frames(self, condition: Condition) -> Int[np.ndarray, " b"]:
        """Latent frames that the model gives each clip, on the host; may be out of range.

        Raises:
          ValueError: a prediction is not finite.
        """
        ...

    def duration_loss(self, condition: Condition, seconds: Float[Array, " b"]) -> Float[Array, ""]:
        """How far the lengths behind `frames` are from true ones; 0 if it does not predict any."""
        ...

    def velocity(
        self,
        params: Params,
        condition: Condition,
        x: Latents,
        sigma: Float[Array, " b"],
        frame_mask: FrameMask | None,
        jump: Jump | None = None,
    ) -> Latents:
        """d x / d sigma at a noise level of each clip's own, as training needs it; of a
        distilled network what its `jump` says."""
        ...

    def for_sampling(self, params: Params) -> Params:
        """The parameters as the three functions below read them; what is so already stays."""
        ...

    def cache(self, params: Params, condition: Condition, unconditional: int = 0) -> Cache:
        """What `sampling_velocity` needs of clips.

        Args:
          params: from `for_sampling`.
          condition: of some rows.
          unconditional: rows without a prompt to put before them, cheaper than
            `unconditional(condition)` where a family knows how.
        """
        ...

    def levels(self, params: Params, sigmas: Float[Array, " n"], jump: Jump | None = None) -> Level:
        """What `sampling_velocity` needs of noise levels, computed for all of them at once; and of
        the jumps from each, for a distilled network."""
        ...

    def sampling_velocity(
        self, params: Params, cache: Cache, level: Level, x: Latents, frame_mask: FrameMask | None
    ) -> Latents:
        """`velocity` at one noise level for all rows, from what was computed before."""
        ...


@runtime_checkable
class AudioCodec(Protocol):
    """Waveforms to latents and back. A frozen dataclass without parameters: they are passed.

    Attributes:
      sample_rate: Hz.
      channels: of the audio.
      samples_per_latent: samples that one latent frame decodes to.
      latent_dim: channels of the latents.
      reach: latent frames to each side that decoding one looks at.
      min_samples: shortest clip that can be encoded.
      encoder: names of the parameters that `encode` reads.
      decoder: names of the parameters that `decode` reads.
      axes: names of the axes of the parameters, to place them on a mesh.
      settings: what else decides the latents, for the hash of the encoder.
      quirks: of the PyTorch release, none unless asked for.
    """

    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def samples_per_latent(self) -> int: ...
    @property
    def latent_dim(self) -> int: ...
    @property
    def reach(self) -> int: ...
    @property
    def min_samples(self) -> int: ...
    @property
    def encoder(self) -> tuple[str, ...]: ...
    @property
    def decoder(self) -> tuple[str, ...]: ...
    @property
    def axes(self) -> AxisRules: ...
    @property
    def settings(self) -> Mapping[str, object]: ...
    @property
    def quirks(self) -> Quirks: ...

    def with_quirks(self, quirks: Quirks) -> Self:
        """The same codec with the quirks of its release.

        Raises:
          ValueError: it has no release that differs.
        """
        ...

    def init(self, key: PRNGKeyArray) -> Params:
        """Random parameters; traceable."""
        ...

    def latent_length(self, samples: Count) -> Count:
        """Latent frames of clips of so many samples, an int or an integer array."""
        ...

    def encode(
        self,
        params: Params,
        audio: Float[Array, "b n a"],
        lengths: Int[Array, " b"] | None = None,
    ) -> Latents:
        """Waveforms to latents.

        Args:
          params: those of `encoder` are enough.
          audio: samples in about [-1, 1]; what lies past a clip's length changes nothing.
          lengths: valid samples of each clip; all if None.

        Returns:
          `latent_length(n)` frames; those past a clip's own are 0.
        """
        ...

    def decode(self, params: Params, latents: Latents) -> Float[Array, "b n a"]:
        """Latents to waveforms; the parameters of `decoder` are enough."""
        ...


@runtime_checkable
class VariationalCodec(AudioCodec, Protocol):
    """A codec that makes a distribution of latents of a clip, of which `encode` gives the mean."""

    def posterior(
        self,
        params: Params,
        audio: Float[Array, "b n a"],
        lengths: Int[Array, " b"] | None = None,
    ) -> tuple[Latents, Latents]:
        """Mean and standard deviation of normal latents; as `encode`, both 0 past a clip's end."""
        ...


@runtime_checkable
class LayeredCodec(AudioCodec, Protocol):
    """A codec whose latents are made of others, each of which says something alone.

    Attributes:
      layers: names of what `encode_layer` gives; of the last one `encode` gives the same.
    """

    @property
    def layers(self) -> tuple[str, ...]: ...

    def encode_layer(
        self,
        params: Params,
        audio: Float[Array, "b n a"],
        lengths: Int[Array, " b"] | None,
        layer: str,
    ) -> Latents:
        """As `encode`; frames past a clip's end may hold anything."""
        ...
