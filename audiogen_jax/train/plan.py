"""What a training costs before it runs: memory, operations and communication of each device.

The real step is compiled ahead of time, for TPUs that are not there (libtpu compiles on any
machine) or for virtual CPU devices in the place of GPUs; times are arithmetic on data sheets.
"""

import dataclasses
import math
import time
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding

from audiogen_jax.config import AudioGenConfig, T5Config, TokenizerConfig
from audiogen_jax.sharding.chips import CHIPS, Chip
from audiogen_jax.sharding.mesh import BATCH, MeshConfig, make_mesh
from audiogen_jax.sharding.parameters import large_replicated, tree_shardings
from audiogen_jax.train.flops import matmul_flops
from audiogen_jax.train.flow_step import FlowStep
from audiogen_jax.train.hlo import program_cost
from audiogen_jax.types import Params

Shapes = Any
"""A tree of `jax.ShapeDtypeStruct`."""


class DoesNotFitError(ValueError):
    """The plan needs more memory than a device has."""


def plan_training(config: Any, topology: str) -> dict[str, Any]:
    """Compiles the training step of a config for a topology and adds up what it needs.

    Args:
      config: a flow-matching config on encoded latents.
      topology: "v5e:16x16" (a TPU generation and its shape), "h200:8" (a GPU and how many).

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
    shardings = tree_shardings(state, mesh, config.sharding)
    frozen = flow.frozen_shapes()
    arguments = (
        _placed(state, shardings),
        _placed_batch(config, flow.model, mesh),
        _placed(frozen, tree_shardings(frozen, mesh, config.sharding)),
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
            "trained": _count(state.params),
            "frozen": _count(frozen),
        },
        "replicated": [row._asdict() for row in large_replicated(state, shardings)],
        "memory": _memory(compiled.memory_analysis(), state, shardings, chip),
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


def check_fits(plan: dict[str, Any]) -> None:
    """Refuses a plan whose step does not fit into the memory of a device.

    Raises:
      DoesNotFitError: names what is too large and what would help.
    """
    memory = plan["memory"]
    if memory["peak"] <= memory["hbm"]:
        return
    terms = {name: memory[name] for name in ("parameters_and_optimizer", "working")}
    largest = max(terms, key=terms.__getitem__)
    advice = {
        "parameters_and_optimizer": "more mesh.fsdp, or sharding=fsdp",
        "working": "a smaller data.batch_sizes, accumulate=2 or remat='nothing_saveable'",
    }[largest]
    raise DoesNotFitError(
        f"{plan['topology']}: a step needs {memory['peak'] / 2**30:.1f} GiB of "
        f"{memory['hbm'] / 2**30:.1f} GiB a chip; the largest term is {largest}, "
        f"{terms[largest] / 2**30:.1f} GiB. Try {advice}"
    )


def find_devices(topology: str) -> tuple[Chip, list[Any], str]:
    """The chip, the devices to compile for, and what they are.

    Raises:
      ValueError: the topology is malformed, the chip unknown, or libtpu is not installed.
    """
    kind, separator, shape = topology.partition(":")
    if kind not in CHIPS or not separator:
        raise ValueError(f"topology={topology!r}: expected {sorted(CHIPS)} with :16x16 or :8")
    try:
        count = math.prod(int(size) for size in shape.split("x"))
    except ValueError:
        raise ValueError(f"topology={topology!r}: {shape!r} is no shape like 16x16 or 8") from None
    if not kind.startswith("v"):
        devices = jax.devices()
        if len(devices) < count:
            raise ValueError(f"topology={topology!r}: only {len(devices)} devices to partition for")
        return CHIPS[kind], devices[:count], f"{count} {devices[0].platform} devices"
    from jax.experimental import topologies

    try:
        found = topologies.get_topology_desc(platform="tpu", topology_name=topology)
    except Exception as error:  # of libtpu, any kind
        raise ValueError(
            f"topology={topology!r}: {str(error).splitlines()[0]}. TPU programs are compiled by "
            "libtpu: pip install 'audiogen-jax[tpu]'"
        ) from error
    return CHIPS[kind], list(found.devices), found.devices[0].device_kind


def _placed(tree: Shapes, shardings: Any) -> Shapes:
    return jax.tree.map(
        lambda leaf, at: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=at), tree, shardings
    )


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
        "length": ((clips,), jnp.int32),
        "drop_condition": ((clips,), jnp.bool_),
        "token_ids": ((clips, tokens), jnp.int32),
        "token_mask": ((clips, tokens), jnp.bool_),
    }
    return {
        name: jax.ShapeDtypeStruct(shape, dtype, sharding=at)
        for name, (shape, dtype) in shapes.items()
    }


def _count(tree: Params) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def _memory(analysis: Any, state: Shapes, shardings: Any, chip: Chip) -> dict[str, float]:
    """Bytes of one device; arguments that are donated count once."""
    held = sum(
        math.prod(at.shard_shape(leaf.shape)) * leaf.dtype.itemsize
        for leaf, at in zip(jax.tree.leaves(state), jax.tree.leaves(shardings), strict=True)
    )
    arguments = analysis.argument_size_in_bytes
    results = analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    working = analysis.temp_size_in_bytes + analysis.generated_code_size_in_bytes
    return {
        "hbm": chip.memory,
        "parameters_and_optimizer": float(held),
        "arguments": float(arguments),
        "working": float(working),
        "peak": float(arguments + results + working),
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
