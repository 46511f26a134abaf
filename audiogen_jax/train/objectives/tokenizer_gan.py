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

from audiogen_jax.checkpoints.dasheng_tokenizer import load_tokenizer, save_tokenizer
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.models import discriminators
from audiogen_jax.models.dasheng import axes as dasheng_axes
from audiogen_jax.models.dasheng.codec import DashengCodec
from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer
from audiogen_jax.models.discriminators import MultiFrequencyDiscriminator
from audiogen_jax.train.config import without_remat
from audiogen_jax.train.ema import update_ema
from audiogen_jax.train.objectives.latent_scale import fold_latent_scale, measure_latents
from audiogen_jax.train.objectives.tokenizer_losses import (
    feature_matching_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
    multi_scale_mel_loss,
    semantic_preservation_loss,
)
from audiogen_jax.train.optimizer import make_optimizer
from audiogen_jax.train.state import (
    Batch,
    DiscriminatorState,
    Metrics,
    Objective,
    StepFn,
    TrainState,
)
from audiogen_jax.train.update import LossFn, accept, choose, new_guard, value_and_gradients
from audiogen_jax.types import Params

SAMPLES = 16000
CENTRING_RATE = 0.01
FROZEN = (
    "audio_encoder/.*",
    "acoustic_injection/norm/bias",  # holds the latent mean at zero, see `_centred`
)


def tokenizer(config: Any, open_data: Callable[[], Iterable[dict]]) -> Objective:
    """The objective of a tokenizer whose sizes and semantic encoder come from `init.encoder`.

    Args:
      config: seed, steps, init.encoder, optimizer, loss weights, gan, freeze_injection_after,
        ema_decay, statistics_batches, accumulate, gradient_dtype, remat.
      open_data: makes a new iterator over the training data.

    Raises:
      ValueError: init.encoder is not set.
    """
    if not config.init.encoder:
        raise ValueError(
            "init.encoder is empty: expected the export folder of the encoder stage "
            "(--set init.encoder=WORKDIR/export)"
        )
    tokenizer_config, pretrained = load_tokenizer(CheckpointFolder(Path(config.init.encoder)))
    weights = config.weights
    model = DashengTokenizer(tokenizer_config, remat=config.remat or None)
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

    def semantic_tokens(params: Params, audio: Array) -> Array:
        frozen = {"params": jax.lax.stop_gradient(params)}
        return model.apply(frozen, audio, method="semantic")  # pyright: ignore

    def judge(params: Params, audio: Array) -> tuple[list[Array], list[Array]]:
        return adversary.apply({"params": params}, audio)  # pyright: ignore

    def reconstruction_loss(both: Params, batch: Batch, key: Array) -> tuple[Array, Metrics]:
        audio = batch["audio"][..., 0]
        semantic = semantic_tokens(both["tokenizer"], audio)
        latents, _, losses = reconstruct(both["tokenizer"], semantic, audio)
        loss = weighted(losses, weights)
        return loss, {"loss": loss, **losses, "latent_mean": latents.mean((0, 1))}

    def adversarial_loss(both: Params, batch: Batch, key: Array) -> tuple[Array, Metrics]:
        """The loss of each player, in which the other one stands still; they move together."""
        audio = batch["audio"][..., 0]
        semantic = semantic_tokens(both["tokenizer"], audio)
        latents, fake, losses = reconstruct(both["tokenizer"], semantic, audio)
        real = audio[:, : fake.shape[1]]
        # XLA shares the discriminator's forward passes between the two.
        still = jax.lax.stop_gradient(both["discriminator"])
        _, real_features = judge(still, real)
        fake_logits, fake_features = judge(still, fake)
        losses["adversarial"] = hinge_generator_loss(fake_logits)
        losses["feature_matching"] = feature_matching_loss(real_features, fake_features)
        loss = weighted(losses, weights)
        real_logits, _ = judge(both["discriminator"], real)
        fake_logits, _ = judge(both["discriminator"], jax.lax.stop_gradient(fake))
        against = hinge_discriminator_loss(real_logits, fake_logits)
        metrics = {"loss": loss, "discriminator": against, **losses}
        return loss + against, metrics | {"latent_mean": latents.mean((0, 1))}

    def step_of(losses: LossFn, adversarial: bool) -> StepFn:
        def step(state: TrainState, batch: Batch, frozen: Params) -> tuple[TrainState, Metrics]:
            assert state.discriminator is not None
            both = {"tokenizer": state.params, "discriminator": state.discriminator.params}
            metrics, gradients = value_and_gradients(
                losses, both, batch, jax.random.key(0), config.accumulate, config.gradient_dtype
            )
            latent_mean = metrics.pop("latent_mean")
            # A step that goes wrong for one player counts for neither.
            total = metrics["loss"] + metrics.get("discriminator", 0.0)
            ok, guard, more = accept(state.guard, total, gradients, config.guard.spike)
            updates, opt_state = optimizer.update(
                gradients["tokenizer"], state.opt_state, state.params
            )
            params = optax.apply_updates(state.params, updates)
            rate = jnp.where(state.step < stop_injection, CENTRING_RATE, 0.0)
            params = _centred(params, latent_mean, rate)
            ema = update_ema(state.ema, params, state.step, config.ema_decay)
            discriminator = state.discriminator
            if adversarial:
                updates, moments = adversary_optimizer.update(
                    gradients["discriminator"], discriminator.opt_state, discriminator.params
                )
                discriminator = DiscriminatorState(
                    optax.apply_updates(discriminator.params, updates), moments
                )
            new = params, opt_state, ema, discriminator
            old = state.params, state.opt_state, state.ema, state.discriminator
            params, opt_state, ema, discriminator = choose(ok, new, old)
            next_state = TrainState(state.step + 1, params, opt_state, guard, ema, discriminator)
            return next_state, metrics | more

        return step

    @jax.jit
    def evaluate(state: TrainState, batch: Batch, frozen: Params, index: int) -> Metrics:
        params = averaged(state)
        semantic = semantic_tokens(params, batch["audio"][..., 0])
        _, _, losses = reconstruct(params, semantic, batch["audio"][..., 0])
        return {"loss": weighted(losses, weights), **losses}

    def export(params: Params, folder: Path) -> None:
        batches = itertools.islice(open_data(), config.statistics_batches)
        moments = measure_latents(model, params, batches)
        off_centre = float(jnp.abs(moments.mean / moments.std).max())
        logging.info("largest latent mean: %.3f standard deviations", off_centre)
        save_tokenizer(folder, tokenizer_config, fold_latent_scale(params, moments.std))

    steps = step_of(reconstruction_loss, False), step_of(adversarial_loss, True)
    return Objective(
        init_state=init_state,
        prepare=prepare,
        axes=dasheng_axes.AXES + discriminators.AXES,
        frozen={},
        step_at=lambda step: steps[step >= config.gan.start_step],
        evaluate=evaluate,
        exported=averaged,
        export=export,
        plain_step_at=tokenizer(without_remat(config), open_data).step_at if config.remat else None,
    )


def weighted(losses: Metrics, weights: Any) -> Float[Array, ""]:
    """The sum of losses times the weights of the same names."""
    return sum((weights[name] * value for name, value in losses.items()), jnp.zeros(()))


def averaged(state: TrainState) -> Params:
    """The averaged decoder with the encoder side as it is, whose latents others train on."""
    assert state.ema is not None
    return {**state.ema, **{name: state.params[name] for name in DashengCodec.encoder}}


def _centred(params: Params, mean: Float[Array, " c"], rate: Float[Array, ""]) -> Params:
    """Moves the injection's bias against the latent mean of a batch.

    The decoder hardly misses it: the upsampler's bias adds the constant that the latents lack.
    """
    injection = params["acoustic_injection"]
    norm = {**injection["norm"], "bias": injection["norm"]["bias"] - rate * mean}
    return {**params, "acoustic_injection": {**injection, "norm": norm}}
