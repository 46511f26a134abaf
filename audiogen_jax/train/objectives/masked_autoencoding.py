"""Stage (a): the semantic encoder as a masked autoencoder of mel patches (arXiv:2111.06377)."""

import dataclasses
import functools
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from audiogen_jax.checkpoints.dasheng_tokenizer import save_tokenizer
from audiogen_jax.input.audio_batches import DataConfig
from audiogen_jax.models.dasheng.axes import AXES
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.dasheng.masked_autoencoder import MaskedAutoencoder
from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer, latent_length
from audiogen_jax.ops.mel import mel_decibels
from audiogen_jax.train.batches import AudioBatch
from audiogen_jax.train.gradients import Metrics, value_and_gradients
from audiogen_jax.train.guarded_update import guarded_update
from audiogen_jax.train.objective import Objective, OpenAudio
from audiogen_jax.train.optimizer import make_optimizer
from audiogen_jax.train.state import TrainState
from audiogen_jax.train.statistics import mean_and_variance
from audiogen_jax.train.train_config import TrainConfig
from audiogen_jax.types import AtLeastOne, Params

SAMPLES = 16000
"""Samples of the audio that shapes are traced with; parameters do not depend on it."""


@dataclasses.dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes.

    Attributes:
      tokenizer: of the tokenizer whose encoder this is.
      decoder_depth: layers that predict the masked patches.
    """

    tokenizer: TokenizerConfig
    decoder_depth: AtLeastOne


@dataclasses.dataclass(frozen=True)
class MaskedAutoencodingConfig(TrainConfig):
    """A training of the encoder.

    Attributes:
      model: sizes.
      statistics_batches: that batch norm statistics are measured on before the first step.
    """

    data: DataConfig
    model: AutoencoderConfig
    statistics_batches: AtLeastOne


@dataclasses.dataclass(frozen=True, eq=False)
class MaskedAutoencoding(Objective[AudioBatch]):
    """Predicts masked patches; exports a tokenizer of which only the encoder is trained.

    Attributes:
      config: of the training.
      open_data: opens the training data, for statistics.
    """

    config: MaskedAutoencodingConfig
    open_data: OpenAudio

    axes = AXES

    @functools.cached_property
    def network(self) -> MaskedAutoencoder:
        """The Linen module."""
        sizes = self.config.model
        return MaskedAutoencoder(sizes.tokenizer, sizes.decoder_depth, remat=self.config.remat)

    @functools.cached_property
    def optimizer(self) -> optax.GradientTransformation:
        """Of all but the prediction target's affine part: the target is the output of init_bn."""
        frozen = ("audio_encoder/init_bn/.*",)
        return make_optimizer(self.config.optimizer, self.config.steps, frozen)

    def init_state(self, key: jax.Array) -> TrainState:
        params = self.network.init(key, jnp.zeros((1, SAMPLES)), key)["params"]
        return TrainState.new(params, self.optimizer, average=False)

    def prepare(self, state: TrainState) -> TrainState:
        """Puts measured statistics of the mel bins into the batch norm."""
        batches = itertools.islice(self.open_data(), self.config.statistics_batches)
        mean, variance = mean_and_variance(mel_decibels_of, None, batches)
        encoder = state.params["audio_encoder"]
        measured = {"mean": np.float32(mean), "var": np.float32(variance)}
        init_bn = {**encoder["init_bn"], **measured}
        encoder = {**encoder, "init_bn": init_bn}
        return state.replace(params={**state.params, "audio_encoder": encoder})

    def frame_lengths(self, batch: AudioBatch) -> Int[Array | np.ndarray, " b"]:
        return latent_length(batch.lengths)

    def step(
        self, state: TrainState, batch: AudioBatch, frozen: Params
    ) -> tuple[TrainState, Metrics]:
        config = self.config
        key = jax.random.fold_in(jax.random.key(config.seed), state.step)
        metrics, gradients = value_and_gradients(
            self._loss, state.params, batch, key, config.accumulate
        )
        updated = state.apply_gradients(gradients, self.optimizer)
        state, norms = guarded_update(
            state, updated, metrics["loss"], gradients, config.guard.spike
        )
        return state, metrics | norms

    def evaluate(
        self, state: TrainState, batch: AudioBatch, frozen: Params, index: Int[Array, ""]
    ) -> Metrics:
        key = jax.random.fold_in(jax.random.key(self.config.eval.seed), index)
        return self._loss(state.params, batch, key)[1]

    def _loss(self, params: Params, batch: AudioBatch, key: jax.Array) -> tuple[Array, Metrics]:
        loss = self.network.apply({"params": params}, batch.mono, key)
        return loss, {"loss": loss}  # pyright: ignore[reportReturnType]

    def exported(self, state: TrainState) -> Params:
        return state.params["audio_encoder"]

    def export(self, params: Params, folder: Path) -> None:
        """A whole tokenizer: this encoder, and an injection and decoder that are not trained."""
        sizes = self.config.model.tokenizer
        tokenizer = DashengTokenizer(sizes)
        init = jax.jit(lambda key: tokenizer.init(key, jnp.zeros((1, SAMPLES)))["params"])
        whole = {**init(jax.random.key(self.config.seed)), "audio_encoder": params}
        save_tokenizer(folder, sizes, whole)


def mel_decibels_of(
    params: None, batch: AudioBatch
) -> tuple[Float[Array, "b t f"], Bool[Array, "b t"]]:
    """Mel frames in dB, and which of them are valid."""
    lengths = jnp.asarray(batch.lengths)
    decibels = mel_decibels(batch.mono, lengths)
    return decibels, jnp.arange(decibels.shape[1])[None] < lengths[:, None] // 160 + 1
