"""Clips of the validation prompts in TensorBoard, to hear how a training goes."""

from typing import Any

import jax
from jax.sharding import Mesh
from jaxtyping import Array, Float

from audiogen_jax.files.mel_picture import mel_image
from audiogen_jax.flow.guidance import Guidance
from audiogen_jax.flow.sampler import sample
from audiogen_jax.flow.schedules import SCHEDULES
from audiogen_jax.flow.solvers import SOLVERS
from audiogen_jax.models.guided_velocity import guided_velocity
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.sharding.distributed import to_host
from audiogen_jax.sharding.mesh import shard_batch
from audiogen_jax.train.metrics import MetricsWriter
from audiogen_jax.train.objectives.flow_matching import FlowStep
from audiogen_jax.train.state import Batch, Objective, TrainState
from audiogen_jax.types import Params, Tokens

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
    generator = flow.generator
    params = generator.for_sampling(whole)
    tokens = Tokens(batch["token_ids"], batch["token_mask"])
    mask = length_mask(flow.frame_lengths(batch), flow.frames(batch))
    velocity, levels = guided_velocity(
        generator,
        params,
        generator.condition(params, tokens),
        Guidance.classifier_free(GUIDANCE),
        mask,
        unconditional=True,
    )
    noise = jax.random.normal(key, (*mask.shape, generator.latent_dim))
    plan = SOLVERS["euler"](SCHEDULES["sway"](STEPS))
    return sample(velocity, noise, plan, mask, prepare=levels)


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
