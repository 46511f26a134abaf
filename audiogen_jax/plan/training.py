"""What a training step costs before it runs: memory, operations and communication of a device.

The real step is compiled ahead of time; times are arithmetic on data sheets.
"""

import time
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jaxtyping import DTypeLike
from ml_collections import ConfigDict

from audiogen_jax.models.prompting import Ragged, ReadsAhead
from audiogen_jax.models.protocols import Generator
from audiogen_jax.plan.devices import find_devices
from audiogen_jax.plan.hlo import program_cost
from audiogen_jax.plan.memory import count, memory, placed, traffic
from audiogen_jax.sharding.mesh import BATCH, make_mesh
from audiogen_jax.sharding.placement import large_replicated, tree_shardings
from audiogen_jax.train.batches import LatentBatch
from audiogen_jax.train.flops import matmul_flops
from audiogen_jax.train.objectives.flow_map_distillation import (
    FlowMapConfig,
    FlowMapDistillation,
)
from audiogen_jax.train.objectives.flow_matching import FlowMatching
from audiogen_jax.train.objectives.flow_matching_config import FlowMatchingConfig
from audiogen_jax.train.objectives.generator_files import from_base
from audiogen_jax.train.objectives.guidance_distillation import (
    GuidanceDistillation,
    GuidanceDistillationConfig,
)
from audiogen_jax.train.stages import parse_config
from audiogen_jax.train.train_config import TrainConfig
from audiogen_jax.types import Tokens

_OBJECTIVES: Mapping[type[FlowMatchingConfig], type[FlowMatching]] = {
    FlowMatchingConfig: FlowMatching,
    GuidanceDistillationConfig: GuidanceDistillation,
    FlowMapConfig: FlowMapDistillation,
}


def plan_training(config: ConfigDict, topology: str) -> dict[str, Any]:
    """Compiles the training step of a config for a topology and adds up what it needs.

    Args:
      config: of a generator's training or distillation, on encoded latents.
      topology: see `find_devices`.

    Returns:
      The plan: devices, mesh, memory, operations, collectives, times, days.

    Raises:
      ValueError: the topology or the config cannot be planned.
    """
    settings = parse_config(config)
    if not isinstance(settings, FlowMatchingConfig) or settings.has_audio:
        raise ValueError(
            "only flow_matching and distillation on encoded latents (data.datasets) can be planned"
        )
    chip, devices, compiled_for = find_devices(topology)
    mesh = make_mesh(settings.mesh, devices)
    settings = from_base(settings) if settings.model is None else settings
    objective = _OBJECTIVES[type(settings)].without_parameters(settings)
    state = jax.eval_shape(objective.init_state, jax.random.key(0))
    shardings = tree_shardings(state, mesh, settings.sharding, objective.axes)
    frozen = objective.frozen_shapes()
    batch = _placed_batch(settings, objective.generator, mesh)
    arguments = (
        placed(state, shardings),
        batch,
        placed(frozen, tree_shardings(frozen, mesh, settings.sharding, objective.axes)),
    )
    start = time.monotonic()
    with jax.set_mesh(mesh):
        step = jax.jit(objective.step, donate_argnums=0, out_shardings=(shardings, None))
        executed = matmul_flops(step, *arguments)
        needed = matmul_flops(jax.jit(objective.without_remat().step), *arguments)
        compiled = step.lower(*arguments).compile()
    seconds = time.monotonic() - start
    cost = program_cost(compiled.as_text() or "")
    moved, shortest = traffic(compiled, cost, chip, devices[0])
    return {
        "program": "a training step",
        "topology": topology,
        "chip": chip.name,
        "chips": mesh.size,
        "compiled_for": compiled_for,
        "compile_seconds": seconds,
        "mesh": dict(mesh.shape),
        "sharding": settings.sharding,
        "batch": batch.latents.shape[0],
        "frames": batch.latents.shape[1],
        "parameters": {
            "trained": count(state.params),
            "frozen": count(frozen),
        },
        "replicated": [row._asdict() for row in large_replicated(state, shardings)],
        "memory": memory(compiled, arguments[0], "parameters_and_optimizer", chip),
        "flops": {
            "model": needed,
            "executed": executed,
            "per_chip": cost.flops,
            "per_chip_over_ideal": cost.flops * mesh.size / executed,
            "uncounted_loops": list(cost.uncounted_loops),
        },
        "hbm_bytes": moved,
        "collectives": [row._asdict() for row in cost.collectives],
        **_times(
            settings,
            ideal=needed / mesh.size / chip.flops,
            seconds={
                "computing": cost.flops / chip.flops,
                "memory": moved / chip.bandwidth,
                "kernels": shortest,
                "sending": sum(row.sent for row in cost.collectives) / chip.link,
            },
            chips=mesh.size,
        ),
    }


def _placed_batch(config: FlowMatchingConfig, generator: Generator, mesh: Mesh) -> LatentBatch:
    """Shapes of the longest bucket's batch."""
    clips, seconds = config.data.batch_sizes[-1], config.data.buckets[-1]
    length = config.data.bucket_tokens[-1]
    devices = mesh.shape["data"] * mesh.shape["fsdp"]
    if clips % (devices * config.accumulate):
        raise ValueError(
            f"a batch of {clips} clips does not split over {devices} devices in "
            f"accumulate={config.accumulate} parts: change data.batch_sizes or the mesh"
        )
    frames = round(seconds * generator.latent_rate)

    def shape(*axes: int, dtype: DTypeLike) -> Any:  # stands in for an array
        sharding = NamedSharding(mesh, BATCH)
        return jax.ShapeDtypeStruct((clips, *axes), dtype, sharding=sharding)

    tokens, prompts = Tokens(shape(length, dtype=jnp.int32), shape(length, dtype=jnp.bool_)), None
    if config.data.has_prompts:
        assert isinstance(generator, ReadsAhead)  # see `make_generator`
        tokens, arrays = None, generator.array_shapes(length)
        prompts = {
            name: Ragged(shape(*leaf.shape, dtype=leaf.dtype), shape(dtype=jnp.int32))
            for name, leaf in arrays.items()
        }
    elif config.data.timeline:
        tokens = tokens._replace(spans=shape(length, 2, dtype=jnp.float32))
    return LatentBatch(
        latents=shape(frames, generator.latent_dim, dtype=jnp.bfloat16),
        lengths=shape(dtype=jnp.int32),
        drop_condition=shape(dtype=jnp.bool_),
        tokens=tokens,
        prompts=prompts,
    )


def _times(
    config: TrainConfig, ideal: float, seconds: dict[str, float], chips: int
) -> dict[str, Any]:
    """A roofline: computing, moving and sending at the peaks of the data sheet.

    Args:
      config: of the training.
      ideal: seconds of a step if nothing but the model's operations took time.
      seconds: of a step: "computing", "memory" (HBM), both kernel by kernel, and "sending".
      chips: how many.
    """
    kernels, sending = seconds["kernels"], seconds["sending"]
    overlapped, apart = max(kernels, sending), kernels + sending
    days = {name: config.steps * s / 86400 for name, s in (("best", overlapped), ("worst", apart))}
    bound = "computing" if seconds["computing"] >= seconds["memory"] else "memory"
    return {
        "seconds_per_step": {
            **seconds,
            "all_overlapped": overlapped,
            "nothing_overlapped": apart,
        },
        "bound_by": "links" if sending > kernels else bound,
        "mfu_bound": ideal / overlapped,
        "schedule": {
            "steps": config.steps,
            "days_at_peak": days,
            "days_at_40_percent_mfu": config.steps * ideal / 0.4 / 86400,
            "chip_hours_at_40_percent_mfu": config.steps * ideal / 0.4 / 3600 * chips,
        },
    }
