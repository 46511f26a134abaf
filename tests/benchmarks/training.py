"""A training step against PyTorch eager: same machine, same run, same weights, in turns.

The velocity network at the published width (1536) and a depth of choice, random weights, float32:
flow-matching loss, gradients and AdamW on clips of 10 s beside 64 text tokens. Before anything is
timed both must give the same loss, and after two steps still. Utilisation is against this machine's
own rate in a large matrix product.

From the root of the repository, on an otherwise idle machine (needs the extra "bench"):

    python -m tests.benchmarks.training   # about 3 minutes on 2 cores, 16 GB

Writes tests/benchmarks/results/training.json. PyTorch's matrix products run in the BLAS that it was
built with; `tests/benchmarks/generation.py` says how much that costs on some processors.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch  # noqa: TID251

from audiogen_jax.checkpoints.dasheng_audiogen import load_audiogen
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.flow.loss import flow_matching_loss
from audiogen_jax.models.audiogen.generator import Condition, DashengAudioGen
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.train.flops import matmul_flops
from tests.benchmarks.torch_audiogen import TorchAudioGen
from tests.benchmarks.workload import write_checkpoint

FRAMES, TOKENS = 250, 64
RATE, DECAY = 1e-4, 0.01
TOLERANCE = 1e-4


def inputs(batch: int, channels: int, width: int) -> dict[str, np.ndarray]:
    """Latents, noise, times and context, the same for both sides."""
    rng = np.random.default_rng(0)
    return {
        "data": rng.standard_normal((batch, FRAMES, channels), np.float32),
        "noise": rng.standard_normal((batch, FRAMES, channels), np.float32),
        "time": rng.uniform(0.1, 0.9, batch).astype(np.float32),
        "context": rng.standard_normal((batch, TOKENS, width), np.float32),
    }


def ours(folder: Path, arrays: dict[str, np.ndarray]) -> tuple[Any, float]:
    """(a function that runs one step and gives its loss, FLOPs of one step)."""
    config, params = load_audiogen(CheckpointFolder(folder))
    model = DashengAudioGen(config, T5Config())
    optimizer = optax.adamw(RATE, weight_decay=DECAY)
    dit = jax.tree.map(jnp.asarray, params["dit"])
    rest = {name: value for name, value in params.items() if name != "dit"}  # stays as it is
    aligned = jnp.asarray(params["no_time_aligned"])[None, None]
    mask = jnp.ones(arrays["data"].shape[:2], bool)
    tokens = jnp.ones(arrays["context"].shape[:2], bool)

    def loss(dit, batch, rest):
        each = jnp.broadcast_to(aligned, (len(batch["time"]), *aligned.shape[1:]))
        condition = Condition(batch["context"], tokens, each, batch["time"])
        params = {"audiogen": {**rest, "dit": dit}}

        def velocity(x, sigma):
            return model.velocity(params, condition, x, sigma, mask)

        return flow_matching_loss(velocity, batch["data"], batch["noise"], batch["time"], mask)

    def step(state, batch, rest):
        dit, moments = state
        value, gradients = jax.value_and_grad(loss)(dit, batch, rest)
        updates, moments = optimizer.update(gradients, moments, dit)
        return (optax.apply_updates(dit, updates), moments), value

    jitted = jax.jit(step, donate_argnums=0)
    batch = {name: jnp.asarray(array) for name, array in arrays.items()}
    state = dit, optimizer.init(dit)
    flops = matmul_flops(jitted, state, batch, rest)

    def run() -> float:
        nonlocal state
        state, value = jitted(state, batch, rest)
        return float(value)

    return run, flops


def baseline(folder: Path, arrays: dict[str, np.ndarray]) -> Any:
    """A function that runs one step in PyTorch and gives its loss."""
    model = TorchAudioGen.load(folder)
    network = model.backbone.train().requires_grad_(True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
    data, noise = (batch[name].transpose(1, 2) for name in ("data", "noise"))
    count = len(data)
    tokens = torch.ones(count, TOKENS, dtype=torch.bool)
    frames = torch.ones(count, FRAMES, dtype=torch.bool)
    aligned = model.dummy_ta_embed.detach().expand(count, FRAMES, -1)

    def run() -> float:
        sigma = batch["time"][:, None, None]
        noisy = (1 - sigma) * data + sigma * noise
        found = network(noisy, 1000 * batch["time"], batch["context"], tokens, aligned, frames)
        value = (found - (noise - data)).square().mean()
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        return value.item()

    return run


def matmul_rate(size: int = 3072) -> float:
    """FLOP per second of a large float32 product."""
    x = jnp.ones((size, size))
    product = jax.jit(lambda x: x @ x)
    product(x).block_until_ready()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        product(x).block_until_ready()
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    weights = Path(tempfile.gettempdir()) / "audiogen_jax_benchmark"
    parser.add_argument("--weights", type=Path, default=weights)
    output = Path(__file__).parent / "results" / "training.json"
    parser.add_argument("--output", type=Path, default=output)
    args = parser.parse_args()
    folder = write_checkpoint(args.weights, args.depth, text_layers=24)
    config = json.loads((folder / "config.json").read_text())
    arrays = inputs(args.batch, config["latent_dim"], config["dit_context_dim"])
    our_step, flops = ours(folder, arrays)
    torch_step = baseline(folder, arrays)
    losses = [[our_step(), torch_step()] for _ in range(2)]
    for found, expected in losses:
        if abs(found - expected) > TOLERANCE * abs(expected):
            raise SystemExit(f"losses {losses}: the two sides are not the same training")
    pairs = []
    for _ in range(args.repeats):
        pair = []
        for step in (our_step, torch_step):
            start = time.perf_counter()
            step()
            pair.append(time.perf_counter() - start)
        pairs.append(pair)
        print(pair, flush=True)
    rate = matmul_rate()
    our_time, torch_time = (statistics.median(times) for times in zip(*pairs, strict=True))
    result = {
        "batch": args.batch,
        "depth": args.depth,
        "losses": losses,
        "median_ratio": statistics.median(ours / torch for ours, torch in pairs),
        "ours": our_time,
        "torch": torch_time,
        "pairs": pairs,
        "flops_of_a_step": flops,
        "matmul_flops_per_second": rate,
        "utilisation": {"ours": flops / our_time / rate, "torch": flops / torch_time / rate},
        **environment(),
        "torch_version": torch.__version__,
    }
    args.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
