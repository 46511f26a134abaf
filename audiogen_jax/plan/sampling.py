"""What generating a batch costs before it runs: memory and operations of a device."""

import dataclasses
import time
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from audiogen_jax.infer.layout import Layout, inference_mesh
from audiogen_jax.infer.options import SamplingOptions, Sharding
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.input.latent_batches import LatentDataConfig
from audiogen_jax.models.protocols import Generator
from audiogen_jax.plan.devices import find_devices
from audiogen_jax.plan.hlo import program_cost
from audiogen_jax.plan.memory import count, memory, traffic
from audiogen_jax.train.objectives.flow_matching_config import FlowMatchingConfig
from audiogen_jax.train.objectives.generator_files import from_base
from audiogen_jax.train.stages import parse_config
from audiogen_jax.types import Params

MFU = 0.4
"""Share of the peak that a well-fed chip reaches, for the estimate of a rate."""


def plan_sampling(
    config: ConfigDict,
    topology: str,
    batch: int,
    options: SamplingOptions,
    sharding: Sharding = "dp",
) -> dict[str, Any]:
    """Compiles the sampler of a config's generator for a topology and adds up what it needs.

    Clips are split over the devices, each of which holds all weights in `config.dtype`, or they are
    cut; prompts are texts, tokens and latent frames the most of the config. Decoding is not part of
    it.

    Args:
      config: a flow-matching config.
      topology: see `find_devices`.
      batch: clips on all devices together.
      options: steps, guidance, solver.
      sharding: see `inference_mesh`.

    Returns:
      The plan: devices, memory, operations, times.

    Raises:
      ValueError: the topology or the config cannot be planned, or the batch does not split.
    """
    settings = parse_config(config)
    if not isinstance(settings, FlowMatchingConfig):
        raise ValueError(f"objective={settings.objective!r}: only flow_matching can be sampled")
    chip, devices, compiled_for = find_devices(topology)
    mesh = inference_mesh(devices, sharding)
    if batch < 1 or batch % (rows := Layout(mesh).rows):
        raise ValueError(f"a batch of {batch} clips does not split over {rows} devices")
    settings = from_base(settings) if settings.model is None else settings
    if isinstance(settings.data, LatentDataConfig):  # who samples reads prompts anew
        data = dataclasses.replace(settings.data, encoded_prompts=False)
        settings = dataclasses.replace(settings, data=data)
    generator = dataclasses.replace(settings, remat=None).make_generator()
    shapes = sampling_shapes(generator, settings.dtype)
    sampler = Sampler(generator, shapes, mesh)
    frames = round(settings.data.buckets[-1] * generator.latent_rate)
    tokens = settings.data.bucket_tokens[-1]
    start = time.monotonic()
    programs = [lowered.compile() for lowered in sampler.lower(batch, tokens, frames, options)]
    seconds = time.monotonic() - start
    costs = [program_cost(program.as_text() or "") for program in programs]
    flops = sum(cost.flops for cost in costs)
    moving = [
        traffic(program, cost, chip, devices[0])
        for program, cost in zip(programs, costs, strict=True)
    ]
    shortest = sum(seconds for _, seconds in moving)
    sizes = [memory(program, sampler.params, "parameters", chip) for program in programs]
    return {
        "program": "a sampled batch",
        "topology": topology,
        "chip": chip.name,
        "chips": len(devices),
        "compiled_for": compiled_for,
        "compile_seconds": seconds,
        "sharding": sharding,
        "batch": batch,
        "frames": frames,
        "steps": options.settled("").steps,
        "solver": options.solver,
        "guidance": options.guidance,
        "parameters": count(shapes),
        "memory": max(sizes, key=lambda size: size["peak"]),
        "flops": {"per_chip": flops, "per_clip": flops * len(devices) / batch},
        "hbm_bytes": sum(moved for moved, _ in moving),
        "seconds_per_batch_at_peak": shortest,
        "clips_per_second_at_40_percent_mfu": batch / max(flops / chip.flops / MFU, shortest),
    }


def sampling_shapes(generator: Generator, dtype: np.dtype) -> Params:
    """Shapes of a generator's parameters as it samples, in one dtype."""
    shapes = jax.eval_shape(
        lambda key: generator.for_sampling(generator.init(key)), jax.random.key(0)
    )
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, dtype), shapes)
