"""What generating a batch costs before it runs: memory and operations of a device."""

import time
from typing import Any

import jax
import jax.numpy as jnp

from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.generator import AudioGen, init_params
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.models.t5.encoder import T5Encoder
from audiogen_jax.plan.devices import find_devices
from audiogen_jax.plan.hlo import program_cost
from audiogen_jax.plan.memory import Shapes, count, memory

MFU = 0.4
"""Share of the peak that a well-fed chip reaches, for the estimate of a rate."""


def plan_sampling(
    config: Any, topology: str, batch: int, options: SamplingOptions
) -> dict[str, Any]:
    """Compiles the sampler of a config's generator for a topology and adds up what it needs.

    Clips are split over the devices, each of which holds all weights in `config.dtype`; text
    tokens and latent frames are the largest of the config. Decoding is not part of it.

    Args:
      config: a flow-matching config.
      topology: see `find_devices`.
      batch: clips on all devices together.
      options: steps, guidance, solver.

    Returns:
      The plan: devices, memory, operations, times.

    Raises:
      ValueError: the topology or the config cannot be planned, or the batch does not split.
    """
    if config.objective != "flow_matching":
        raise ValueError(f"objective={config.objective!r}: only flow_matching can be sampled")
    chip, devices, compiled_for = find_devices(topology)
    if batch < 1 or batch % len(devices):
        raise ValueError(f"a batch of {batch} clips does not split over {len(devices)} devices")
    model, text = AudioGenConfig(**config.model.audiogen), T5Config(**config.model.text_encoder)
    dtype = jnp.dtype(config.dtype)
    shapes = generator_shapes(model, text, dtype)
    sampler = Sampler(
        model, shapes["audiogen"], text, shapes["text_encoder"], dtype=dtype, devices=devices
    )
    frames = round(config.data.buckets[-1] * model.latent_rate)
    tokens = config.data.max_tokens
    tokens = tokens[-1] if isinstance(tokens, tuple) else tokens
    start = time.monotonic()
    lowered = sampler.lower(batch, tokens, frames, options)
    compiled = lowered.compile()
    seconds = time.monotonic() - start
    flops = program_cost(compiled.as_text()).flops
    computing = flops / chip.flops
    return {
        "program": "a sampled batch",
        "topology": topology,
        "chip": chip.name,
        "chips": len(devices),
        "compiled_for": compiled_for,
        "compile_seconds": seconds,
        "batch": batch,
        "frames": frames,
        "steps": options.steps,
        "solver": options.solver,
        "guidance": options.guidance,
        "parameters": count(shapes),
        "memory": memory(compiled, sampler.params, "parameters", chip),
        "flops": {"per_chip": flops, "per_clip": flops * len(devices) / batch},
        "seconds_per_batch_at_peak": computing,
        "clips_per_second_at_40_percent_mfu": batch / computing * MFU,
    }


def generator_shapes(model: AudioGenConfig, text: T5Config, dtype: Any) -> dict[str, Shapes]:
    """Shapes of a generator's parameters in one dtype, its blocks apart."""
    networks = AudioGen(model, text_dim=text.d_model), T5Encoder(text)
    shapes = jax.eval_shape(lambda key: init_params(key, *networks), jax.random.key(0))
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, dtype), shapes)
    dit = shapes["audiogen"]["dit"]
    for name in ("in_blocks", "out_blocks"):
        depth = jax.tree.leaves(dit[name])[0].shape[0]
        block = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], dtype), dit[name])
        dit[name] = {str(i): block for i in range(depth)}
    return shapes
