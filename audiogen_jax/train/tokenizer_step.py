"""Stage (b): acoustic injection and decoder around a frozen semantic encoder.

The first steps minimise reconstruction and semantic preservation; from `gan.start_step` a
multi-frequency discriminator joins and is trained in the same step.
"""

import itertools
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from audiogen_jax.convert.dasheng import load_tokenizer, save_tokenizer
from audiogen_jax.models.discriminators import MultiFrequencyDiscriminator
from audiogen_jax.models.tokenizer import Tokenizer
from audiogen_jax.train.ema import update_ema
from audiogen_jax.train.latent_scale import fold_latent_scale, measure_latents
from audiogen_jax.train.optimizer import make_optimizer
from audiogen_jax.train.state import Batch, DiscriminatorState, Metrics, Objective, TrainState
from audiogen_jax.train.tokenizer_losses import (
    feature_matching_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
    multi_scale_mel_loss,
    semantic_preservation_loss,
)
from audiogen_jax.train.update import accept, choose, new_guard
from audiogen_jax.types import Params

SAMPLES = 16000
CENTRING_RATE = 0.01
ENCODER_SIDE = ("audio_encoder", "acoustic_injection")
FROZEN = (
    "audio_encoder/.*",
    "acoustic_injection/norm/bias",  # holds the latent mean at zero, see `_centred`
)


def tokenizer(config: Any, open_data: Callable[[], Iterable[dict]]) -> Objective:
    """The objective of a tokenizer whose sizes and semantic encoder come from `init.encoder`.

    Args:
      config: seed, steps, init.encoder, optimizer, loss weights, gan, freeze_injection_after,
        ema_decay, statistics_batches.
      open_data: makes a new iterator over the training data.

    Raises:
      ValueError: init.encoder is not set.
    """
    if not config.init.encoder:
        raise ValueError(
            "init.encoder is empty: expected the export folder of the encoder stage "
            "(--set init.encoder=WORKDIR/export)"
        )
    tokenizer_config, pretrained = load_tokenizer(Path(config.init.encoder))
    weights = config.weights
    model = Tokenizer(tokenizer_config)
    adversary = MultiFrequencyDiscriminator(config.gan.n_ffts, config.gan.channels)
    stop_injection = config.freeze_injection_after
    optimizer = make_optimizer(
        config.optimizer, config.steps, FROZEN, [("acoustic_injection/.*", stop_injection)]
    )
    adversary_steps = max(
        config.steps - config.gan.start_step, config.gan.optimizer.warmup_steps + 1
    )
    adversary_optimizer = make_optimizer(config.gan.optimizer, adversary_steps)

    def init_state(key: jax.Array) -> TrainState:
        audio = jnp.zeros((1, SAMPLES))
        params = model.init(key, audio)["params"]
        adversary_params = adversary.init(jax.random.fold_in(key, 1), audio)["params"]
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            opt_state=optimizer.init(params),
            guard=new_guard(),
            ema=jax.tree.map(jnp.copy, params),  # buffers of their own: the state is donated
            discriminator=DiscriminatorState(
                adversary_params, adversary_optimizer.init(adversary_params)
            ),
        )

    def prepare(state: TrainState) -> TrainState:
        encoder = pretrained["audio_encoder"]
        assert state.ema is not None
        return state.replace(
            params={**state.params, "audio_encoder": encoder},
            ema={**state.ema, "audio_encoder": jax.tree.map(np.copy, encoder)},
        )

    def reconstruct(params: Params, semantic: Array, audio: Array) -> tuple[Array, Array, Metrics]:
        latents = semantic + model.apply({"params": params}, audio, method="acoustic")
        reconstruction: Array = model.apply({"params": params}, latents, method="decode")  # pyright: ignore
        target = audio[:, : reconstruction.shape[1]]
        losses = {
            "mel": multi_scale_mel_loss(target, reconstruction),
            "semantic": semantic_preservation_loss(latents, semantic),
        }
        return latents, reconstruction, losses

    def updated(
        state: TrainState,
        loss: Array,
        gradients: tuple[Params, Params],
        latents: Array,
        discriminator: DiscriminatorState,
    ) -> tuple[TrainState, Metrics]:
        """The next state; the old one if the loss or a gradient of either player went wrong."""
        ok, guard, metrics = accept(state.guard, loss, gradients, config.guard.spike)
        updates, opt_state = optimizer.update(gradients[0], state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        rate = jnp.where(state.step < stop_injection, CENTRING_RATE, 0.0)
        params = _centred(params, latents.mean((0, 1)), rate)
        ema = update_ema(state.ema, params, state.step, config.ema_decay)
        new = params, opt_state, ema, discriminator
        old = state.params, state.opt_state, state.ema, state.discriminator
        params, opt_state, ema, discriminator = choose(ok, new, old)
        next_state = TrainState(state.step + 1, params, opt_state, guard, ema, discriminator)
        return next_state, metrics

    def semantic_tokens(params: Params, audio: Array) -> Array:
        return model.apply({"params": params}, audio, method="semantic")  # pyright: ignore

    def reconstruction_step(
        state: TrainState, batch: Batch, frozen: Params
    ) -> tuple[TrainState, Metrics]:
        audio = batch["audio"]
        semantic = semantic_tokens(state.params, audio)

        def loss(params: Params) -> tuple[Array, tuple[Array, Metrics]]:
            latents, _, losses = reconstruct(params, semantic, audio)
            return weighted(losses, weights), (latents, losses)

        (value, (latents, losses)), gradients = jax.value_and_grad(loss, has_aux=True)(state.params)
        assert state.discriminator is not None
        state, more = updated(state, value, (gradients, {}), latents, state.discriminator)
        return state, {"loss": value, **losses, **more}

    def adversarial_step(
        state: TrainState, batch: Batch, frozen: Params
    ) -> tuple[TrainState, Metrics]:
        audio = batch["audio"]
        semantic = semantic_tokens(state.params, audio)
        assert state.discriminator is not None
        discriminator = state.discriminator

        def judge(params: Params, audio: Array) -> tuple[list[Array], list[Array]]:
            return adversary.apply({"params": params}, audio)  # pyright: ignore

        def loss(params: Params) -> tuple[Array, tuple[Array, Array, Metrics]]:
            latents, reconstruction, losses = reconstruct(params, semantic, audio)
            _, real_features = judge(discriminator.params, audio[:, : reconstruction.shape[1]])
            fake_logits, fake_features = judge(discriminator.params, reconstruction)
            losses["adversarial"] = hinge_generator_loss(fake_logits)
            losses["feature_matching"] = feature_matching_loss(real_features, fake_features)
            return weighted(losses, weights), (latents, reconstruction, losses)

        # Both players move from the same old parameters, so that XLA shares the discriminator's
        # forward passes between the two gradients.
        def adversary_loss(params: Params, fake: Array) -> Array:
            real_logits, _ = judge(params, audio[:, : fake.shape[1]])
            fake_logits, _ = judge(params, fake)
            return hinge_discriminator_loss(real_logits, fake_logits)

        (value, aux), gradients = jax.value_and_grad(loss, has_aux=True)(state.params)
        latents, reconstruction, losses = aux
        adversary_value, adversary_gradients = jax.value_and_grad(adversary_loss)(
            discriminator.params, reconstruction
        )
        updates, opt_state = adversary_optimizer.update(
            adversary_gradients, discriminator.opt_state, discriminator.params
        )
        discriminator = DiscriminatorState(
            optax.apply_updates(discriminator.params, updates), opt_state
        )
        both = gradients, adversary_gradients
        state, more = updated(state, value + adversary_value, both, latents, discriminator)
        return state, {"loss": value, "discriminator": adversary_value, **losses, **more}

    @jax.jit
    def evaluate(state: TrainState, batch: Batch, frozen: Params, index: int) -> Metrics:
        params = averaged(state)
        semantic = semantic_tokens(params, batch["audio"])
        _, _, losses = reconstruct(params, semantic, batch["audio"])
        return {"loss": weighted(losses, weights), **losses}

    def export(params: Params, folder: Path) -> None:
        batches = itertools.islice(open_data(), config.statistics_batches)
        moments = measure_latents(model, params, batches)
        off_centre = float(jnp.abs(moments.mean / moments.std).max())
        logging.info("largest latent mean: %.3f standard deviations", off_centre)
        save_tokenizer(folder, tokenizer_config, fold_latent_scale(params, moments.std))

    steps = reconstruction_step, adversarial_step
    return Objective(
        init_state=init_state,
        prepare=prepare,
        frozen={},
        step_at=lambda step: steps[step >= config.gan.start_step],
        evaluate=evaluate,
        exported=averaged,
        export=export,
    )


def weighted(losses: Metrics, weights: Any) -> Float[Array, ""]:
    """The sum of losses times the weights of the same names."""
    return sum((weights[name] * value for name, value in losses.items()), jnp.zeros(()))


def averaged(state: TrainState) -> Params:
    """The averaged decoder with the encoder side as it is, whose latents others train on."""
    assert state.ema is not None
    return {**state.ema, **{name: state.params[name] for name in ENCODER_SIDE}}


def _centred(params: Params, mean: Float[Array, " c"], rate: Float[Array, ""]) -> Params:
    """Moves the injection's bias against the latent mean of a batch.

    The decoder hardly misses it: the upsampler's bias adds the constant that the latents lack.
    """
    injection = params["acoustic_injection"]
    norm = {**injection["norm"], "bias": injection["norm"]["bias"] - rate * mean}
    return {**params, "acoustic_injection": {**injection, "norm": norm}}
