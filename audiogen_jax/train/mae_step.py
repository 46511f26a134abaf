"""Stage (a): the semantic encoder as a masked autoencoder of mel patches (arXiv:2111.06377)."""

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from audiogen_jax.config import TokenizerConfig
from audiogen_jax.convert.dasheng import save_tokenizer
from audiogen_jax.models.masked_autoencoder import MaskedAutoencoder
from audiogen_jax.models.tokenizer import Tokenizer
from audiogen_jax.ops.mel import mel_decibels
from audiogen_jax.train.optimizer import make_optimizer
from audiogen_jax.train.state import Batch, Metrics, Objective, TrainState
from audiogen_jax.types import Params

SAMPLES = 16000
"""Samples of the audio that shapes are traced with; parameters do not depend on it."""


def masked_autoencoder(config: Any, open_data: Callable[[], Iterable[dict]]) -> Objective:
    """The objective of `config.model`, with batch norm statistics measured before the first step.

    Args:
      config: seed, steps, model.tokenizer, model.decoder_depth, statistics_batches, optimizer.
      open_data: makes a new iterator over the training data.
    """
    tokenizer_config = TokenizerConfig(**config.model.tokenizer)
    model = MaskedAutoencoder(tokenizer_config, decoder_depth=config.model.decoder_depth)
    # The prediction target is the output of init_bn, so its affine part must not learn either.
    optimizer = make_optimizer(config.optimizer, config.steps, ("audio_encoder/init_bn/.*",))

    def init_state(key: jax.Array) -> TrainState:
        params = model.init(key, jnp.zeros((1, SAMPLES)), key)["params"]
        return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))

    def prepare(state: TrainState) -> TrainState:
        mean, variance = mel_statistics(itertools.islice(open_data(), config.statistics_batches))
        encoder = state.params["audio_encoder"]
        init_bn = {**encoder["init_bn"], "mean": mean, "var": variance}
        encoder = {**encoder, "init_bn": init_bn}
        return state.replace(params={**state.params, "audio_encoder": encoder})

    def loss(params: Params, audio: Float[Array, "b n"], key: jax.Array) -> Float[Array, ""]:
        return model.apply({"params": params}, audio, key)  # pyright: ignore

    def step(state: TrainState, batch: Batch, frozen: Params) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(config.seed), state.step)
        value, gradients = jax.value_and_grad(loss)(state.params, batch["audio"], key)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = {"loss": value, "gradient_norm": optax.tree.norm(gradients)}
        return TrainState(state.step + 1, params, opt_state), metrics

    @jax.jit
    def evaluate(state: TrainState, batch: Batch, frozen: Params, index: int) -> Metrics:
        key = jax.random.fold_in(jax.random.key(config.eval.seed), index)
        return {"loss": loss(state.params, batch["audio"], key)}

    def export(state: TrainState, folder: Path) -> None:
        """A whole tokenizer: this encoder, and an injection and decoder that are not trained."""
        tokenizer = Tokenizer(tokenizer_config)
        init = jax.jit(lambda key: tokenizer.init(key, jnp.zeros((1, SAMPLES)))["params"])
        params = init(jax.random.key(config.seed))
        save_tokenizer(
            folder, tokenizer_config, {**params, "audio_encoder": state.params["audio_encoder"]}
        )

    jitted_step = jax.jit(step, donate_argnums=0)
    return Objective(init_state, prepare, {}, lambda _: jitted_step, evaluate, export)


def mel_statistics(
    batches: Iterable[dict],
) -> tuple[Float[Array, " f"], Float[Array, " f"]]:
    """Mean and variance of each mel bin in dB over the valid frames of some batches.

    Raises:
      ValueError: there is no batch.
    """
    measure = jax.jit(_mel_moments)
    moments = [
        [np.asarray(value, np.float64) for value in measure(batch["audio"], batch["length"])]
        for batch in batches
    ]
    if not moments:
        raise ValueError("statistics_batches=0: batch norm statistics need at least one batch")
    count, total, squares = (sum(values) for values in zip(*moments, strict=True))
    mean = total / count
    return jnp.asarray(mean, jnp.float32), jnp.asarray(squares / count - mean**2, jnp.float32)


def _mel_moments(audio: Array, lengths: Array) -> tuple[Array, Array, Array]:
    decibels = mel_decibels(audio, lengths)
    valid = jnp.arange(decibels.shape[1])[None] < lengths[:, None] // 160 + 1
    decibels = jnp.where(valid[..., None], decibels, 0)
    return valid.sum(), decibels.sum((0, 1)), jnp.square(decibels).sum((0, 1))
