"""What each device computes and sends as devices are added, and what loops save in compilation.

Counted in compiled programs, not timed: FLOPs and bytes of collectives per device, of the training
step of `configs/small.py` under fsdp on 1, 2, 4 and 8 virtual CPU devices, at a fixed batch (strong
scaling) and at a fixed batch per device (weak). Compilation of the same step with its blocks looped
and unrolled is timed.

From the root of the repository (about 5 minutes on 2 cores):

    python -m tests.benchmarks.scaling

Writes tests/benchmarks/results/scaling.json.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.network import AudioGen
from audiogen_jax.plan.training import plan_training
from audiogen_jax.train.config import load_config

ROOT = Path(__file__).parents[2]
DEVICES = (1, 2, 4, 8)
STRONG, WEAK = 64, 8


def row(devices: int, batch: int) -> dict[str, Any]:
    """Per device: FLOPs, and bytes of collectives by kind."""
    config = load_config(f"{ROOT}/configs/small.py", [f"data.batch_sizes=({batch},)"])
    plan = plan_training(config, f"h200:{devices}")
    found = {
        "devices": devices,
        "batch": batch,
        "tflop_per_device": plan["flops"]["per_chip"] / 1e12,
        "over_ideal": plan["flops"]["per_chip_over_ideal"],
        "collectives_gb": {c["kind"]: c["bytes"] / 1e9 for c in plan["collectives"]},
        "state_gb_per_device": plan["memory"]["parameters_and_optimizer"] / 1e9,
    }
    print(found, flush=True)
    return found


def compile_seconds(unroll: bool, depth: int) -> float:
    """Time to trace, lower and compile the gradient of the velocity network."""
    sizes = dict(load_config(f"{ROOT}/configs/small.py").model.audiogen)
    config = dataclasses.replace(AudioGenConfig(**sizes), dit_depth=depth)
    model = AudioGen(config, unroll=unroll, remat="nothing_saveable")
    hidden, latents = jnp.zeros((1, 2, config.content_dim)), jnp.zeros((1, 4, config.latent_dim))
    masks = jnp.ones((1, 2), bool), jnp.ones((1, 4), bool)
    variables = jax.eval_shape(model.init, jax.random.key(0), hidden, masks[0], latents, masks[1])
    x = jax.ShapeDtypeStruct((2, 250, config.latent_dim), jnp.float32)
    context = jax.ShapeDtypeStruct((2, 64, config.dit_context_dim), jnp.float32)
    times = jax.ShapeDtypeStruct((2,), jnp.float32)

    def loss(params, x, times, context):
        aligned = jnp.zeros((2, 1, config.dit_ta_context_dim))
        arguments = (x, times, context, None, aligned, None)
        out = model.apply({"params": params}, *arguments, method="velocity")
        return jnp.square(out).mean()

    start = time.monotonic()
    jax.jit(jax.grad(loss)).lower(variables["params"], x, times, context).compile()
    return time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    output = Path(__file__).parent / "results" / "scaling.json"
    parser.add_argument("--output", type=Path, default=output)
    args = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", max(DEVICES))
    result = {
        "strong": [row(devices, STRONG) for devices in DEVICES],
        "weak": [row(devices, WEAK * devices) for devices in DEVICES],
        "compile_seconds": [
            {
                "depth": depth,
                "looped": compile_seconds(False, depth),
                "unrolled": compile_seconds(True, depth),
            }
            for depth in (4, 16)
        ],
        **environment(),
    }
    args.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["compile_seconds"]))


if __name__ == "__main__":
    main()
