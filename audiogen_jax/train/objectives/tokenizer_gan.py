"""Stage (b): acoustic injection and decoder around a frozen semantic encoder.

The first steps minimise reconstruction and semantic preservation; from `gan.start_step` a
multi-frequency discriminator joins and is trained in the same step.
"""

import dataclasses
import functools
import itertools
import logging
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from audiogen_jax.checkpoints.dasheng_tokenizer import load_tokenizer, save_tokenizer
from audiogen_jax.checkpoints.registry import open_codec_checkpoint
from audiogen_jax.input.audio_batches import DataConfig
from audiogen_jax.models import discriminators
from audiogen_jax.models.dasheng import axes as dasheng_axes
from audiogen_jax.models.dasheng.codec import DashengCodec
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer, latent_length
from audiogen_jax.models.discriminators import MultiFrequencyDiscriminator
from audiogen_jax.train.batches import AudioBatch
from audiogen_jax.train.gradients import LossFn, Metrics, split_rows, value_and_gradients
from audiogen_jax.train.guarded_update import guarded_update
from audiogen_jax.train.objective import Objective, OpenAudio, StepFn
from audiogen_jax.train.objectives.latent_scale import fold_latent_scale, measure_latents
from audiogen_jax.train.objectives.tokenizer_losses import (
    feature_matching_loss,
    feature_sizes,
    hinge_discriminator_loss,
    hinge_generator_loss,
    multi_scale_mel_loss,
    semantic_preservation_loss,
)
from audiogen_jax.train.optimizer import OptimizerConfig, make_optimizer
from audiogen_jax.train.state import DiscriminatorState, TrainState
from audiogen_jax.train.train_config import TrainConfig
from audiogen_jax.types import (
    AtLeastOne,
    CheckpointSource,
    Decay,
    Latents,
    NotNegative,
    Params,
    Whole,
)

SAMPLES = 16000
"""Samples of the audio that shapes are traced with; parameters do not depend on it."""
CENTRING_RATE = 0.01
FROZEN = (
    "audio_encoder/.*",
    "acoustic_injection/norm/bias",  # holds the latent mean at zero, see `_centred`
)


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """Where a tokenizer starts.

    Attributes:
      encoder: the tokenizer whose sizes and semantic encoder are taken over: "nano", a folder in
        Hugging Face layout or a hub name; a generator stands for its codec.
      silent: the semantic encoder gives zeros, and latents are mel patches through one linear
        layer: what a decoder of this size makes of a mel alone.
    """

    encoder: CheckpointSource | None
    silent: bool = False


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Of the losses of the same names."""

    mel: NotNegative
    semantic: NotNegative
    adversarial: NotNegative
    feature_matching: NotNegative


@dataclasses.dataclass(frozen=True)
class AdversaryConfig:
    """The discriminator.

    Attributes:
      start_step: finished steps from which it joins.
      n_ffts: its scales, multiples of 64 samples.
      channels: its width.
      optimizer: AdamW of its own.
    """

    start_step: Whole
    n_ffts: tuple[AtLeastOne, ...]
    channels: AtLeastOne
    optimizer: OptimizerConfig

    def __post_init__(self):
        if not self.n_ffts or any(n_fft % 64 for n_fft in self.n_ffts):
            raise ValueError(f"gan.n_ffts={self.n_ffts}: expected multiples of 64")


@dataclasses.dataclass(frozen=True)
class TokenizerGANConfig(TrainConfig):
    """A training of injection and decoder.

    Attributes:
      init: where it starts.
      freeze_injection_after: finished steps from which latents stay as they are.
      ema_decay: of the averaged decoder.
      statistics_batches: that the scale of the latents is measured on at every export.
      weights: of the losses.
      gan: the discriminator.
    """

    data: DataConfig
    init: EncoderConfig
    freeze_injection_after: Whole
    ema_decay: Decay
    statistics_batches: AtLeastOne
    weights: LossWeights
    gan: AdversaryConfig

    def __post_init__(self):
        super().__post_init__()
        if self.init.encoder is None:
            raise ValueError(
                "init.encoder is not set: expected the export folder of the encoder stage "
                "(--set init.encoder=WORKDIR/export)"
            )
        if self.init.silent and self.weights.semantic:
            raise ValueError(
                f"weights.semantic={self.weights.semantic} of an encoder that is init.silent: "
                "expected 0, there is nothing to preserve"
            )


@dataclasses.dataclass(frozen=True, eq=False)
class TokenizerGAN(Objective[AudioBatch]):
    """Rebuilds audio; the parameters are a whole tokenizer's.

    Attributes:
      config: of the training.
      tokenizer: sizes.
      encoder: parameters of the semantic encoder, which stay as they are.
      open_data: opens the training data, for statistics.
    """

    config: TokenizerGANConfig
    tokenizer: TokenizerConfig
    encoder: Params
    open_data: OpenAudio

    axes = dasheng_axes.AXES + discriminators.AXES

    @classmethod
    def load(cls, config: TokenizerGANConfig, open_data: OpenAudio) -> "TokenizerGAN":
        """Takes sizes and encoder of the checkpoint at `config.init.encoder`."""
        assert config.init.encoder is not None
        tokenizer, params = load_tokenizer(open_codec_checkpoint(config.init.encoder))
        encoder = params["audio_encoder"]
        if config.init.silent:
            encoder = {**encoder, "norm": jax.tree.map(np.zeros_like, encoder["norm"])}
        return cls(config, tokenizer, encoder, open_data)

    @functools.cached_property
    def network(self) -> DashengTokenizer:
        """The Linen module."""
        return DashengTokenizer(self.tokenizer, remat=self.config.remat)

    @functools.cached_property
    def adversary(self) -> MultiFrequencyDiscriminator:
        """The Linen module of the discriminator."""
        return MultiFrequencyDiscriminator(self.config.gan.n_ffts, self.config.gan.channels)

    @functools.cached_property
    def optimizer(self) -> optax.GradientTransformation:
        """Of the tokenizer."""
        stops = [("acoustic_injection/.*", self.config.freeze_injection_after)]
        return make_optimizer(self.config.optimizer, self.config.steps, FROZEN, stops)

    @functools.cached_property
    def adversary_optimizer(self) -> optax.GradientTransformation:
        """Of the discriminator, whose schedule begins with it."""
        gan = self.config.gan
        steps = max(self.config.steps - gan.start_step, gan.optimizer.warmup_steps + 1)
        return make_optimizer(gan.optimizer, steps)

    def init_state(self, key: jax.Array) -> TrainState:
        audio = jnp.zeros((1, SAMPLES))
        params = self.network.init(key, audio)["params"]
        adversary = self.adversary.init(jax.random.fold_in(key, 1), audio)["params"]
        discriminator = DiscriminatorState(adversary, self.adversary_optimizer.init(adversary))
        return TrainState.new(params, self.optimizer, average=True, discriminator=discriminator)

    def prepare(self, state: TrainState) -> TrainState:
        """Puts the semantic encoder in place."""
        assert state.ema is not None
        return state.replace(
            params={**state.params, "audio_encoder": self.encoder},
            ema={**state.ema, "audio_encoder": jax.tree.map(np.copy, self.encoder)},
        )

    def frame_lengths(self, batch: AudioBatch) -> Int[Array | np.ndarray, " b"]:
        return latent_length(batch.lengths)

    def step_at(self, step: int) -> StepFn[AudioBatch]:
        return self.step if step < self.config.gan.start_step else self.adversarial_step

    def step(
        self, state: TrainState, batch: AudioBatch, frozen: Params
    ) -> tuple[TrainState, Metrics]:
        return self._update(self._reconstruction_loss, state, batch)

    def adversarial_step(
        self, state: TrainState, batch: AudioBatch, frozen: Params
    ) -> tuple[TrainState, Metrics]:
        """One update of both players."""
        assert state.discriminator is not None
        sizes = None
        if self.config.accumulate > 1:
            sizes = self._feature_sizes(state.params, state.discriminator.params, batch)
        return self._update(functools.partial(self._adversarial_loss, sizes), state, batch)

    def _feature_sizes(
        self, params: Params, discriminator: Params, batch: AudioBatch
    ) -> Float[Array, " layers"]:
        """What feature matching is relative to, of a whole batch that goes through in parts."""
        fake = jax.eval_shape(lambda p, x: self._reconstruct(p, x)[1], params, batch.mono)

        def sizes(audio: Float[Array, "b n"]) -> Float[Array, " layers"]:
            return feature_sizes(self._judge(discriminator, audio[:, : fake.shape[1]])[1])

        parts = split_rows(batch.mono, self.config.accumulate)
        return jax.lax.map(sizes, parts).mean(0)

    def _update(
        self, loss: LossFn[AudioBatch], state: TrainState, batch: AudioBatch
    ) -> tuple[TrainState, Metrics]:
        config, discriminator = self.config, state.discriminator
        assert discriminator is not None
        players = {"tokenizer": state.params, "discriminator": discriminator.params}
        metrics, gradients = value_and_gradients(
            loss, players, batch, jax.random.key(0), config.accumulate
        )
        latent_mean = metrics.pop("latent_mean")
        updated = state.apply_gradients(gradients["tokenizer"], self.optimizer)
        rate = jnp.where(state.step < config.freeze_injection_after, CENTRING_RATE, 0.0)
        updated = updated.replace(params=_centred(updated.params, latent_mean, rate))
        updated = updated.average_params(config.ema_decay)
        total = metrics["loss"]
        if "discriminator" in metrics:
            total += metrics["discriminator"]  # a step that goes wrong for one counts for neither
            discriminator = discriminator.apply_gradients(
                gradients["discriminator"], self.adversary_optimizer
            )
            updated = updated.replace(discriminator=discriminator)
        state, norms = guarded_update(state, updated, total, gradients, config.guard.spike)
        return state, metrics | norms

    def _reconstruction_loss(
        self, players: Params, batch: AudioBatch, key: jax.Array
    ) -> tuple[Array, Metrics]:
        latents, _, losses = self._reconstruct(players["tokenizer"], batch.mono)
        loss = self._weighted(losses)
        return loss, {"loss": loss, **losses, "latent_mean": latents.mean((0, 1))}

    def _adversarial_loss(
        self,
        sizes: Float[Array, " layers"] | None,
        players: Params,
        batch: AudioBatch,
        key: jax.Array,
    ) -> tuple[Array, Metrics]:
        """The loss of each player, in which the other one stands still; they move together."""
        audio = batch.mono
        latents, fake, losses = self._reconstruct(players["tokenizer"], audio)
        real = audio[:, : fake.shape[1]]
        # XLA shares the discriminator's forward passes between the two.
        still = jax.lax.stop_gradient(players["discriminator"])
        _, real_features = self._judge(still, real)
        fake_logits, fake_features = self._judge(still, fake)
        losses["adversarial"] = hinge_generator_loss(fake_logits)
        if sizes is None:
            sizes = feature_sizes(real_features)
        losses["feature_matching"] = feature_matching_loss(real_features, fake_features, sizes)
        loss = self._weighted(losses)
        real_logits, _ = self._judge(players["discriminator"], real)
        fake_logits, _ = self._judge(players["discriminator"], jax.lax.stop_gradient(fake))
        against = hinge_discriminator_loss(real_logits, fake_logits)
        metrics = {"loss": loss, "discriminator": against, **losses}
        return loss + against, metrics | {"latent_mean": latents.mean((0, 1))}

    def _reconstruct(
        self, params: Params, audio: Float[Array, "b n"]
    ) -> tuple[Latents, Float[Array, "b m"], Metrics]:
        """Latents, the audio that they decode to, and the losses of both."""
        network = self.network
        still = jax.lax.stop_gradient(params)
        semantic: Array = network.apply({"params": still}, audio, method="semantic")  # pyright: ignore
        acoustic: Array = network.apply({"params": params}, audio, method="acoustic")  # pyright: ignore
        latents = semantic + acoustic
        reconstruction: Array = network.apply({"params": params}, latents, method="decode")  # pyright: ignore
        target = audio[:, : reconstruction.shape[1]]
        losses = {
            "mel": multi_scale_mel_loss(target, reconstruction),
            "semantic": semantic_preservation_loss(latents, semantic),
        }
        return latents, reconstruction, losses

    def _judge(self, params: Params, audio: Float[Array, "b n"]) -> tuple[list[Array], list[Array]]:
        return self.adversary.apply({"params": params}, audio)  # pyright: ignore[reportReturnType]

    def _weighted(self, losses: Metrics) -> Float[Array, ""]:
        weights = self.config.weights
        return sum((getattr(weights, name) * x for name, x in losses.items()), jnp.zeros(()))

    def evaluate(
        self, state: TrainState, batch: AudioBatch, frozen: Params, index: Int[Array, ""]
    ) -> Metrics:
        _, _, losses = self._reconstruct(self.exported(state), batch.mono)
        return {"loss": self._weighted(losses), **losses}

    def exported(self, state: TrainState) -> Params:
        """The averaged decoder with the encoder side as it is, whose latents others train on."""
        assert state.ema is not None
        return {**state.ema, **{name: state.params[name] for name in DashengCodec.encoder}}

    def export(self, params: Params, folder: Path) -> None:
        """A tokenizer whose latents have unit variance."""
        batches = itertools.islice(self.open_data(), self.config.statistics_batches)
        moments = measure_latents(self.network, params, batches)
        off_centre = float(jnp.abs(moments.mean / moments.std).max())
        logging.info("largest latent mean: %.3f standard deviations", off_centre)
        save_tokenizer(folder, self.tokenizer, fold_latent_scale(params, moments.std))


def _centred(params: Params, mean: Float[Array, " c"], rate: Float[Array, ""]) -> Params:
    """Moves the injection's bias against the latent mean of a batch.

    The decoder hardly misses it: the upsampler's bias adds the constant that the latents lack.
    """
    injection = params["acoustic_injection"]
    norm = {**injection["norm"], "bias": injection["norm"]["bias"] - rate * mean}
    return {**params, "acoustic_injection": {**injection, "norm": norm}}
