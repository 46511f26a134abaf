"""Stage (c): text encoder, content adapter and DiT by rectified flow on a tokenizer's latents."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from audiogen_jax.config import AudioGenConfig, T5Config
from audiogen_jax.convert.dasheng import (
    load_audiogen,
    load_tokenizer,
    save_audiogen,
    save_tokenizer,
)
from audiogen_jax.convert.t5 import load_t5, save_t5
from audiogen_jax.flow import time_sampling
from audiogen_jax.flow.loss import duration_loss, flow_matching_loss
from audiogen_jax.models.audiogen import (
    AudioGen,
    condition,
    drop_condition,
    init_params,
    velocity_fn,
)
from audiogen_jax.models.t5 import T5Encoder
from audiogen_jax.models.tokenizer import Tokenizer, latent_length
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.train.ema import update_ema
from audiogen_jax.train.optimizer import make_optimizer
from audiogen_jax.train.state import Batch, Metrics, Objective, TrainState
from audiogen_jax.types import Params

FROZEN = (
    # Batches hold no durations per token, so this predictor stays as it was initialised.
    "audiogen/content_adapter/local_duration/.*",
    "audiogen/no_context",  # stands in for the context of time-aligned clips: none here
)


def flow_matching(config: Any, open_data: Callable[[], Iterable[dict]]) -> Objective:
    """The objective of `config.model` on the latents of the tokenizer at `config.tokenizer`.

    Args:
      config: seed, steps, tokenizer, init, model, data.text_tokenizer, time_sampling,
        duration_weight, ema_decay, optimizer.
      open_data: not needed here.

    Raises:
      ValueError: `config.tokenizer` is not set or has latents of another width, or the generator
        at `config.init` is not of `config.model`.
    """
    if not config.tokenizer:
        raise ValueError(
            "tokenizer is empty: expected the export folder of the tokenizer stage "
            "(--set tokenizer=WORKDIR/export)"
        )
    tokenizer_config, tokenizer_params = load_tokenizer(Path(config.tokenizer))
    model_config = AudioGenConfig(**config.model.audiogen)
    text_config = T5Config(**config.model.text_encoder)
    if model_config.latent_dim != tokenizer_config.embed_dim:
        raise ValueError(
            f"model.audiogen.latent_dim={model_config.latent_dim} must be the width of the latents "
            f"of {config.tokenizer}, {tokenizer_config.embed_dim}"
        )
    tokenizer = Tokenizer(tokenizer_config)
    model = AudioGen(model_config, text_dim=text_config.d_model)
    text_encoder = T5Encoder(text_config)
    optimizer = make_optimizer(config.optimizer, config.steps, FROZEN)

    def init_state(key: jax.Array) -> TrainState:
        params = init_params(key, model, text_encoder)
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            opt_state=optimizer.init(params),
            ema=jax.tree.map(jnp.copy, params),  # buffers of their own: the state is donated
        )

    def prepare(state: TrainState) -> TrainState:
        if not config.init:
            return state
        params = _load_generator(Path(config.init), model_config, text_config)
        return state.replace(params=params, ema=jax.tree.map(jnp.copy, params))

    def losses(
        params: Params, frozen: Params, batch: Batch, key: jax.Array, training: bool
    ) -> Metrics:
        time_key, noise_key, dropout_key = jax.random.split(key, 3)
        audio, lengths = batch["audio"], batch["length"]
        latents: Array = tokenizer.apply({"params": frozen}, audio, lengths, method="encode")  # pyright: ignore
        mask = length_mask(latent_length(lengths), latents.shape[1])
        conditioned = condition(
            model,
            text_encoder,
            params,
            batch["token_ids"],
            batch["token_mask"],
            dropout_key=dropout_key if training else None,
        )
        seconds = lengths / model_config.sample_rate
        duration = duration_loss(conditioned.log_duration, seconds, model_config.duration_offset)
        if training:
            # Guidance needs the velocity without a condition too.
            conditioned = drop_condition(conditioned, batch["drop_condition"])
        times = sample_times(time_key, len(audio), config.time_sampling)
        noise = jax.random.normal(noise_key, latents.shape)
        velocity = velocity_fn(model, params, conditioned, mask)
        flow = flow_matching_loss(velocity, latents, noise, times, mask)
        return {
            "loss": flow + config.duration_weight * duration,
            "flow": flow,
            "duration": duration,
        }

    def step(state: TrainState, batch: Batch, frozen: Params) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(config.seed), state.step)

        def loss(params: Params) -> tuple[Array, Metrics]:
            metrics = losses(params, frozen, batch, key, training=True)
            return metrics["loss"], metrics

        (_, metrics), gradients = jax.value_and_grad(loss, has_aux=True)(state.params)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        assert state.ema is not None
        ema = update_ema(state.ema, params, state.step, config.ema_decay)
        metrics["gradient_norm"] = optax.tree.norm(gradients)
        return TrainState(state.step + 1, params, opt_state, ema), metrics

    @jax.jit
    def evaluate(state: TrainState, batch: Batch, frozen: Params, index: int) -> Metrics:
        key = jax.random.fold_in(jax.random.key(config.eval.seed), index)
        assert state.ema is not None
        return losses(state.ema, frozen, batch, key, training=False)

    def export(state: TrainState, folder: Path) -> None:
        assert state.ema is not None
        save_audiogen(folder, model_config, state.ema["audiogen"])
        save_t5(folder / model_config.text_encoder_name, text_config, state.ema["text_encoder"])
        save_tokenizer(folder / model_config.tokenizer_name, tokenizer_config, tokenizer_params)
        shutil.copyfile(config.data.text_tokenizer, folder / "tokenizer.json")

    jitted_step = jax.jit(step, donate_argnums=0)
    return Objective(
        init_state=init_state,
        prepare=prepare,
        frozen=jax.tree.map(jnp.asarray, tokenizer_encoder(tokenizer_params)),
        step_at=lambda _: jitted_step,
        evaluate=evaluate,
        export=export,
    )


def tokenizer_encoder(params: Params) -> Params:
    """The part of a tokenizer's parameters that encodes."""
    return {name: params[name] for name in ("audio_encoder", "acoustic_injection")}


def _load_generator(folder: Path, config: AudioGenConfig, text_config: T5Config) -> Params:
    """Parameters of an exported generator, to train on from."""
    found, params = load_audiogen(folder)
    found_text, text_params = load_t5(folder / config.text_encoder_name)
    if (found, found_text) != (config, text_config):
        raise ValueError(f"init={folder}: its configuration differs from config.model")
    return {"text_encoder": text_params, "audiogen": params}


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
