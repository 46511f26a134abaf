"""Clips of the validation prompts in TensorBoard, to hear how a training goes."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from audiogen_jax.files.mel_picture import mel_image
from audiogen_jax.flow.guidance import guidance_weights, guide
from audiogen_jax.flow.sampler import sample
from audiogen_jax.flow.schedules import SCHEDULES
from audiogen_jax.flow.solvers import SOLVERS
from audiogen_jax.models.audiogen.generator import condition, velocity_fn
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.sharding.distributed import to_host
from audiogen_jax.sharding.mesh import shard_batch
from audiogen_jax.train.metrics import MetricsWriter
from audiogen_jax.train.objectives.flow_matching import FlowStep
from audiogen_jax.train.state import Batch, Objective, TrainState
from audiogen_jax.types import Params

CLIPS = 4
STEPS = 25
GUIDANCE = 5.0


def sample_prompts(
    flow: FlowStep, whole: Params, batch: Batch, key: jax.Array
) -> Float[Array, "b t c"]:
    """Guided latents of a batch's prompts, each as long as the batch's own clip.

    Args:
      flow: the generator.
      whole: its parameters.
      batch: token_ids, token_mask and length.
      key: of the noise.
    """
    networks = flow.networks
    told = condition(*networks, whole, batch["token_ids"], batch["token_mask"])
    lengths, frames = flow.frame_lengths(batch), flow.frames(batch)
    mask = length_mask(lengths, frames)
    both = told._replace(
        context=jnp.concatenate([0 * told.context, told.context]),
        context_mask=jnp.tile(told.context_mask, (2, 1)),
        time_aligned=jnp.concatenate([0 * told.time_aligned, told.time_aligned]),
    )
    velocity = velocity_fn(networks[0], whole, both, jnp.tile(mask, (2, 1)))
    weights = jnp.asarray(guidance_weights(GUIDANCE))
    guided = guide(lambda x, sigma: velocity(x, jnp.full(len(x), sigma)), weights)
    noise = jax.random.normal(key, (*mask.shape, flow.model.latent_dim))
    return sample(guided, noise, SOLVERS["euler"](SCHEDULES["sway"](STEPS)), mask)


def write_samples(
    objective: Objective,
    state: TrainState,
    frozen: Params,
    mesh: Mesh,
    batch: Any,
    writer: MetricsWriter | None,
    step: int,
) -> None:
    """Generates the clips of a validation batch; the process with a writer shows some.

    All processes must call it.
    """
    if objective.sample is None or objective.decode is None:
        return
    arrays = {name: value for name, value in batch.items() if name != "id"}
    with jax.set_mesh(mesh):
        latents = to_host(objective.sample(state, shard_batch(mesh, arrays), frozen))
    if writer is None:
        return
    audio, rate = objective.decode(latents[:CLIPS])
    for name, clip in zip(batch["id"], audio, strict=False):
        writer.write_clip(step, f"samples/{name}", clip, mel_image(clip, rate), rate)
