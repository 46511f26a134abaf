"""What a training step costs before it runs: memory, operations and communication of a device.

The real step is compiled ahead of time; times are arithmetic on data sheets.
"""

import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding

from audiogen_jax.hardware import Chip
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.plan.devices import find_devices
from audiogen_jax.plan.hlo import program_cost
from audiogen_jax.plan.memory import Shapes, count, memory, placed
from audiogen_jax.sharding.mesh import BATCH, MeshConfig, make_mesh
from audiogen_jax.sharding.placement import large_replicated, tree_shardings
from audiogen_jax.train.flops import matmul_flops
from audiogen_jax.train.objectives.flow_matching import FlowStep


def plan_training(config: Any, topology: str) -> dict[str, Any]:
    """Compiles the training step of a config for a topology and adds up what it needs.

    Args:
      config: a flow-matching config on encoded latents.
      topology: see `find_devices`.

    Returns:
      The plan: devices, mesh, memory, operations, collectives, times, days.

    Raises:
      ValueError: the topology or the config cannot be planned.
    """
    if config.objective != "flow_matching" or "datasets" not in config.data:
        raise ValueError("only flow_matching on encoded latents (data.datasets) can be planned")
    chip, devices, compiled_for = find_devices(topology)
    mesh = make_mesh(MeshConfig(**config.mesh), devices)
    flow = FlowStep(
        config,
        AudioGenConfig(**config.model.audiogen),
        T5Config(**config.model.text_encoder),
        TokenizerConfig(),
        config.remat,
    )
    state = jax.eval_shape(flow.init_state, jax.random.key(0))
    shardings = tree_shardings(state, mesh, config.sharding, flow.axes)
    frozen = flow.frozen_shapes()
    arguments = (
        placed(state, shardings),
        _placed_batch(config, flow.model, mesh),
        placed(frozen, tree_shardings(frozen, mesh, config.sharding, flow.axes)),
    )
    start = time.monotonic()
    with jax.set_mesh(mesh):
        step = jax.jit(flow.step, donate_argnums=0, out_shardings=(shardings, None))
        executed = matmul_flops(step, *arguments)
        plain = dataclasses.replace(flow, remat="")
        needed = matmul_flops(jax.jit(plain.step), *arguments)
        compiled = step.lower(*arguments).compile()
    seconds = time.monotonic() - start
    cost = program_cost(compiled.as_text())
    clips = config.data.batch_sizes[-1]
    return {
        "program": "a training step",
        "topology": topology,
        "chip": chip.name,
        "chips": mesh.size,
        "compiled_for": compiled_for,
        "compile_seconds": seconds,
        "mesh": dict(mesh.shape),
        "sharding": config.sharding,
        "batch": clips,
        "frames": arguments[1]["latents"].shape[1],
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
        "collectives": [row._asdict() for row in cost.collectives],
        **_times(
            config, chip, mesh.size, needed, cost.flops, sum(row.sent for row in cost.collectives)
        ),
    }


def _placed_batch(config: Any, model: AudioGenConfig, mesh: Mesh) -> dict[str, Shapes]:
    """Shapes of the longest bucket's batch."""
    clips, seconds = config.data.batch_sizes[-1], config.data.buckets[-1]
    tokens = config.data.max_tokens
    tokens = tokens[-1] if isinstance(tokens, tuple) else tokens
    parts = mesh.shape["data"] * mesh.shape["fsdp"]
    if clips % (parts * config.accumulate):
        raise ValueError(
            f"a batch of {clips} clips does not split over {parts} devices in "
            f"accumulate={config.accumulate} parts: change data.batch_sizes or the mesh"
        )
    at = NamedSharding(mesh, BATCH)
    frames = round(seconds * model.latent_rate)
    shapes = {
        "latents": ((clips, frames, model.latent_dim), jnp.bfloat16),
        "lengths": ((clips,), jnp.int32),
        "drop_condition": ((clips,), jnp.bool_),
        "token_ids": ((clips, tokens), jnp.int32),
        "token_mask": ((clips, tokens), jnp.bool_),
    }
    return {
        name: jax.ShapeDtypeStruct(shape, dtype, sharding=at)
        for name, (shape, dtype) in shapes.items()
    }


def _times(
    config: Any, chip: Chip, chips: int, needed: float, flops: float, sent: float
) -> dict[str, Any]:
    """A roofline: computing and communicating at the peaks of the data sheet."""
    computing, sending = flops / chip.flops, sent / chip.link
    ideal = needed / chips / chip.flops
    overlapped, apart = max(computing, sending), computing + sending
    days = {name: config.steps * s / 86400 for name, s in (("best", overlapped), ("worst", apart))}
    return {
        "seconds_per_step": {
            "computing": computing,
            "sending": sending,
            "all_overlapped": overlapped,
            "nothing_overlapped": apart,
        },
        "bound_by": "computing" if computing >= sending else "links",
        "mfu_bound": ideal / overlapped,
        "schedule": {
            "steps": config.steps,
            "days_at_peak": days,
            "days_at_40_percent_mfu": config.steps * ideal / 0.4 / 86400,
            "chip_hours_at_40_percent_mfu": config.steps * ideal / 0.4 / 3600 * chips,
        },
    }
