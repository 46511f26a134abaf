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

from audiogen_jax.checkpoints.dasheng_tokenizer import save_tokenizer
from audiogen_jax.models.dasheng.axes import AXES
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.dasheng.masked_autoencoder import MaskedAutoencoder
from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer
from audiogen_jax.ops.mel import mel_decibels
from audiogen_jax.train.config import without_remat
from audiogen_jax.train.optimizer import make_optimizer
from audiogen_jax.train.state import Batch, Metrics, Objective, TrainState
from audiogen_jax.train.update import accept, choose, new_guard, value_and_gradients
from audiogen_jax.types import Params

SAMPLES = 16000
"""Samples of the audio that shapes are traced with; parameters do not depend on it."""


def masked_autoencoder(config: Any, open_data: Callable[[], Iterable[dict]]) -> Objective:
    """The objective of `config.model`, with batch norm statistics measured before the first step.

    Args:
      config: seed, steps, model.tokenizer, model.decoder_depth, statistics_batches, optimizer,
        accumulate, gradient_dtype, remat.
      open_data: makes a new iterator over the training data.
    """
    tokenizer_config = TokenizerConfig(**config.model.tokenizer)
    model = MaskedAutoencoder(
        tokenizer_config, decoder_depth=config.model.decoder_depth, remat=config.remat or None
    )
    # The prediction target is the output of init_bn, so its affine part must not learn either.
    optimizer = make_optimizer(config.optimizer, config.steps, ("audio_encoder/init_bn/.*",))

    def init_state(key: jax.Array) -> TrainState:
        params = model.init(key, jnp.zeros((1, SAMPLES)), key)["params"]
        step = jnp.zeros((), jnp.int32)
        return TrainState(step, params, optimizer.init(params), new_guard())

    def prepare(state: TrainState) -> TrainState:
        found = mel_statistics(itertools.islice(open_data(), config.statistics_batches))
        mean, variance = (np.asarray(one) for one in found)
        encoder = state.params["audio_encoder"]
        init_bn = {**encoder["init_bn"], "mean": mean, "var": variance}
        encoder = {**encoder, "init_bn": init_bn}
        return state.replace(params={**state.params, "audio_encoder": encoder})

    def loss(params: Params, batch: Batch, key: jax.Array) -> tuple[Array, Metrics]:
        value: Array = model.apply({"params": params}, batch["audio"][..., 0], key)  # pyright: ignore
        return value, {"loss": value}

    def step(state: TrainState, batch: Batch, frozen: Params) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(config.seed), state.step)
        metrics, gradients = value_and_gradients(
            loss, state.params, batch, key, config.accumulate, config.gradient_dtype
        )
        ok, guard, more = accept(state.guard, metrics["loss"], gradients, config.guard.spike)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        new = optax.apply_updates(state.params, updates), opt_state
        params, opt_state = choose(ok, new, (state.params, state.opt_state))
        return TrainState(state.step + 1, params, opt_state, guard), metrics | more

    @jax.jit
    def evaluate(state: TrainState, batch: Batch, frozen: Params, index: int) -> Metrics:
        key = jax.random.fold_in(jax.random.key(config.eval.seed), index)
        return loss(state.params, batch, key)[1]

    def export(encoder: Params, folder: Path) -> None:
        """A whole tokenizer: this encoder, and an injection and decoder that are not trained."""
        tokenizer = DashengTokenizer(tokenizer_config)
        init = jax.jit(lambda key: tokenizer.init(key, jnp.zeros((1, SAMPLES)))["params"])
        params = init(jax.random.key(config.seed))
        save_tokenizer(folder, tokenizer_config, {**params, "audio_encoder": encoder})

    return Objective(
        init_state=init_state,
        prepare=prepare,
        axes=AXES,
        frozen={},
        step_at=lambda _: step,
        evaluate=evaluate,
        exported=lambda state: state.params["audio_encoder"],
        export=export,
        plain_step_at=(
            masked_autoencoder(without_remat(config), open_data).step_at if config.remat else None
        ),
    )


def mel_statistics(
    batches: Iterable[dict],
) -> tuple[Float[Array, " f"], Float[Array, " f"]]:
    """Mean and variance of each mel bin in dB over the valid frames of some batches.

    Raises:
      ValueError: there is no batch.
    """
    measure = jax.jit(_mel_moments)
    moments = [
        [
            np.asarray(value, np.float64)
            for value in measure(batch["audio"][..., 0], batch["lengths"])
        ]
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
