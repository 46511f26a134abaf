"""Stage (c): the step that trains a generator by rectified flow on a tokenizer's latents.

Built from configurations alone, so that it can be traced and compiled without any file;
`flow_stage.py` brings the weights.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from audiogen_jax.flow import time_sampling
from audiogen_jax.flow.loss import flow_matching_loss
from audiogen_jax.models import lora
from audiogen_jax.models.audiogen import axes as audiogen_axes
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.generator import DashengAudioGen
from audiogen_jax.models.dasheng import axes as dasheng_axes
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer, latent_length
from audiogen_jax.models.lora import init_adapters, merge
from audiogen_jax.models.protocols import Condition, Generator
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.sharding.placement import AxisRules, beneath
from audiogen_jax.train.ema import update_ema
from audiogen_jax.train.optimizer import make_optimizer
from audiogen_jax.train.state import Batch, Metrics, TrainState
from audiogen_jax.train.update import accept, choose, new_guard, value_and_gradients
from audiogen_jax.types import Params, Tokens

FROZEN = (
    # Batches hold no durations per token, so this predictor stays as it was initialised.
    "audiogen/content_adapter/local_duration/.*",
    "audiogen/no_context",  # stands in for the context of time-aligned clips: none here
)


@dataclasses.dataclass(frozen=True)
class FlowStep:
    """A generator and how it is trained.

    What is trained (`TrainState.params`) is {"audiogen"}, {"audiogen", "text_encoder"} if the text
    encoder is trained along, or {"adapters"} with LoRA. The rest comes in `frozen`: "tokenizer"
    (the encoding part) where batches hold audio, "text_encoder", "audiogen".

    Attributes:
      config: the ConfigDict of the training.
      model: sizes of the generator.
      text: sizes of its text encoder.
      tokenizer: sizes of the tokenizer.
      remat: name of a rematerialisation policy, or "".
    """

    config: Any
    model: AudioGenConfig
    text: T5Config
    tokenizer: TokenizerConfig
    remat: str = ""

    @property
    def generator(self) -> DashengAudioGen:
        """The model, in the compute type of the config."""
        kinds = dict(dtype=jnp.dtype(self.config.dtype), remat=self.remat or None)
        return DashengAudioGen(self.model, self.text, **kinds)

    @property
    def axes(self) -> AxisRules:
        """Names of the axes of all parameters, trained and frozen."""
        return (
            audiogen_axes.AXES
            + beneath("adapters", lora.AXES)
            + beneath("tokenizer", dasheng_axes.AXES)
        )

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Of the parameters that are trained."""
        frozen = () if self.config.lora.rank else FROZEN
        return make_optimizer(self.config.optimizer, self.config.steps, frozen)

    @property
    def adapter_scale(self) -> float:
        """Of the products of adapters (arXiv:2106.09685, section 4.1)."""
        return self.config.lora.alpha / self.config.lora.rank

    def init_params(self, key: jax.Array) -> dict[str, Params]:
        """Random parameters of the whole generator."""
        return self.generator.init(key)

    def init_state(self, key: jax.Array) -> TrainState:
        """A new state; traceable."""
        params = self.init_params(key)
        if self.config.lora.rank:
            adapters = init_adapters(key, params["audiogen"], self.config.lora.rank)
            params = {"adapters": adapters}
        elif self.config.text_encoder:
            params = {"audiogen": params["audiogen"]}
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            opt_state=self.optimizer.init(params),
            guard=new_guard(),
            ema=jax.tree.map(jnp.copy, params),  # buffers of their own: the state is donated
        )

    def frozen_shapes(self) -> dict[str, Params]:
        """Shapes of what `step` reads and never changes, but for the tokenizer."""
        shapes = jax.eval_shape(self.init_params, jax.random.key(0))
        names = ["audiogen", "text_encoder"] if self.config.lora.rank else []
        names = ["text_encoder"] if self.config.text_encoder and not names else names
        return {name: shapes[name] for name in names}

    def assemble(self, params: Params, frozen: Params) -> dict[str, Params]:
        """The whole generator, {"audiogen", "text_encoder"}, of what is trained and the rest."""
        whole = {**frozen, **params}
        if "adapters" in params:
            adapters = params["adapters"]
            whole["audiogen"] = merge(frozen["audiogen"], adapters, self.adapter_scale)
        return {name: whole[name] for name in ("audiogen", "text_encoder")}

    def step(self, state: TrainState, batch: Batch, frozen: Params) -> tuple[TrainState, Metrics]:
        """One update of the parameters."""
        config = self.config
        times, noise, dropout = jax.random.split(
            jax.random.fold_in(jax.random.key(config.seed), state.step), 3
        )
        rows = self._with_noise(batch, times, noise)
        frames = self.frame_lengths(batch).sum() / config.accumulate

        def loss(params: Params, rows: Batch, key: jax.Array) -> tuple[Array, Metrics]:
            metrics = self._losses(self.assemble(params, frozen), frozen, rows, key, frames)
            return metrics["loss"], metrics

        metrics, gradients = value_and_gradients(
            loss, state.params, rows, dropout, config.accumulate, config.gradient_dtype
        )
        ok, guard, more = accept(state.guard, metrics["loss"], gradients, config.guard.spike)
        updates, opt_state = self.optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = update_ema(state.ema, params, state.step, config.ema_decay)
        params, opt_state, ema = choose(
            ok, (params, opt_state, ema), (state.params, state.opt_state, state.ema)
        )
        return TrainState(state.step + 1, params, opt_state, guard, ema), metrics | more

    def evaluate(self, state: TrainState, batch: Batch, frozen: Params, index: int) -> Metrics:
        """Losses of the averaged parameters, without dropout of any kind."""
        key = jax.random.fold_in(jax.random.key(self.config.eval.seed), index)
        times, noise, _ = jax.random.split(key, 3)
        rows = self._with_noise(batch, times, noise)
        assert state.ema is not None
        whole = self.assemble(state.ema, frozen)
        return self._losses(whole, frozen, rows, None, self.frame_lengths(batch).sum())

    def _with_noise(self, batch: Batch, times: jax.Array, noise: jax.Array) -> Batch:
        """Adds what is drawn for each clip, so that parts of a batch get what the whole would."""
        rows, frames = len(batch["lengths"]), self.frames(batch)
        return {
            **batch,
            "time": sample_times(times, rows, self.config.time_sampling),
            "noise": jax.random.normal(noise, (rows, frames, self.model.latent_dim)),
        }

    def frames(self, batch: Batch) -> int:
        """Latent frames of a batch, padding included."""
        if "latents" in batch:
            return batch["latents"].shape[1]
        return latent_length(batch["audio"].shape[1])

    def frame_lengths(self, batch: Batch) -> Int[Array, " b"]:
        """Valid latent frames of each clip."""
        return batch["lengths"] if "latents" in batch else latent_length(batch["lengths"])

    def _latents(self, batch: Batch, frozen: Params) -> Float[Array, "b t c"]:
        if "latents" in batch:
            return batch["latents"].astype(jnp.float32)
        model, params = DashengTokenizer(self.tokenizer), {"params": frozen["tokenizer"]}
        return model.apply(params, batch["audio"][..., 0], batch["lengths"], method="encode")  # pyright: ignore

    def _losses(
        self, whole: Params, frozen: Params, batch: Batch, key: jax.Array | None, frames: Array
    ) -> Metrics:
        """Losses of some rows; with a key as in training, without as in validation."""
        generator = self.generator
        latents, lengths = self._latents(batch, frozen), self.frame_lengths(batch)
        mask = length_mask(lengths, latents.shape[1])
        tokens = Tokens(batch["token_ids"], batch["token_mask"])
        condition = generator.condition(whole, tokens, dropout_key=key)
        seconds = batch["lengths"] / (
            self.model.latent_rate if "latents" in batch else self.model.sample_rate
        )
        duration = generator.duration_loss(condition, seconds)
        if key is not None:
            # Guidance needs the velocity without a condition too.
            condition = drop(generator, condition, batch["drop_condition"])

        def velocity(x: Array, sigma: Array) -> Array:
            return generator.velocity(whole, condition, x, sigma, mask)

        flow = flow_matching_loss(velocity, latents, batch["noise"], batch["time"], mask, frames)
        loss = flow + self.config.duration_weight * duration
        return {"loss": loss, "flow": flow, "duration": duration}


def drop(generator: Generator, condition: Condition, clips: Bool[Array, " b"]) -> Condition:
    """Makes chosen clips unconditional, to train for classifier-free guidance."""

    def choose_rows(without: Array, kept: Array) -> Array:
        return jnp.where(clips.reshape(-1, *[1] * (kept.ndim - 1)), without, kept)

    return jax.tree.map(choose_rows, generator.unconditional(condition), condition)


def sample_times(key: jax.Array, batch: int, config: Any) -> Float[Array, " b"]:
    """Training times in [0, 1], 1 = noise.

    Args:
      key: random key.
      batch: how many.
      config: kind ("uniform" or "logit_normal"), mean and std of the latter.

    Raises:
      ValueError: the kind is unknown.
    """
    match config.kind:
        case "uniform":
            return time_sampling.uniform(key, batch)
        case "logit_normal":
            return time_sampling.logit_normal(key, batch, config.mean, config.std)
        case kind:
            raise ValueError(f"time_sampling.kind={kind!r}: expected 'uniform' or 'logit_normal'")
