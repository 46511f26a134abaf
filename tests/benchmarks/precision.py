"""bfloat16 against float32 on the embedded model: velocity, latents and sound.

Rows: computing in bfloat16, parameters at rest in bfloat16, both; and, to judge them by, what twice
the steps change in float32. Columns: relative L2 error of one guided velocity, at points between
noise and the clip; of the latents after 25 Euler steps; and the log-mel distance of the audio in
nepers. Means over 16 clips with guidance 5.

From the root of the repository (about 2 minutes on 2 idle cores):

    python -m tests.benchmarks.precision

Writes tests/benchmarks/results/precision.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from audiogen_jax.checkpoints.registry import load_generator
from audiogen_jax.evaluate.metrics.mel_distance import mel_distance
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.files.fingerprint import checkpoint_sha256
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.types import Latents
from tests.benchmarks.nano_clips import GUIDANCE, Clips, compiled_velocity, nano_clips

SIGMAS = (0.95, 0.7, 0.4, 0.1)
STEPS = 25
VARIANTS = {
    "computing in bf16": (jnp.bfloat16, jnp.float32),
    "parameters in bf16": (jnp.float32, jnp.bfloat16),
    "both in bf16": (jnp.bfloat16, jnp.bfloat16),
}


class Variant:
    """The embedded model at one precision."""

    def __init__(self, dtype: Any, param_dtype: Any, count: int):
        self.loaded = load_generator("nano", dtype=dtype, param_dtype=param_dtype)
        self.clips = nano_clips(self.loaded, count)
        self.velocity = compiled_velocity(self.loaded, self.clips)
        self._sampler = Sampler(self.loaded.generator, self.loaded.params)
        self._codec = Codec(self.loaded.codec)

    def sample(self, steps: int = STEPS) -> Latents:
        rows = [[condition] for condition in self._sampler.condition(self.clips.prompts)]
        options = SamplingOptions(steps, GUIDANCE)
        latents = self._sampler.sample(rows, self.clips.lengths, self.clips.noise, options)
        return latents

    def decode(self, latents: Latents) -> Float[np.ndarray, "b n"]:
        return np.asarray(self._codec.decode_each(latents, self.clips.lengths))


def mel_distances(
    clips: Clips, found: Float[np.ndarray, "b n"], expected: Float[np.ndarray, "b n"]
) -> Float[np.ndarray, " b"]:
    """Log-mel distance of every clip over its own samples."""
    rows = zip(found, expected, clips.lengths * 640, strict=True)
    return np.array([mel_distance(a[:length], b[:length], 16000) for a, b, length in rows])


def measure(count: int) -> dict[str, Any]:
    """All rows of the table."""
    exact = Variant(jnp.float32, jnp.float32, count)
    clips, latents = exact.clips, exact.sample()
    audio = exact.decode(latents)
    points = [(sigma * clips.noise + (1 - sigma) * latents, sigma) for sigma in SIGMAS]
    velocities = [exact.velocity(*point) for point in points]
    rows: dict[str, dict[str, float]] = {}

    def record(name: str, found: Latents, sound: Float[np.ndarray, "b n"]) -> None:
        rows[name] = {
            "latents": float(clips.errors(found, latents).mean()),
            "mel_distance": float(mel_distances(clips, sound, audio).mean()),
        }

    for name, (dtype, param_dtype) in VARIANTS.items():
        variant = Variant(dtype, param_dtype, count)
        found = variant.sample()
        record(name, found, variant.decode(found))
        errors = [
            clips.errors(variant.velocity(*point), expected).mean()
            for point, expected in zip(points, velocities, strict=True)
        ]
        rows[name]["velocity"] = float(np.mean(errors))
        print(name, rows[name], flush=True)
    finer = exact.sample(2 * STEPS)
    record(f"fp32, {2 * STEPS} steps", finer, exact.decode(finer))
    print(rows[f"fp32, {2 * STEPS} steps"])
    return {
        "clips": count,
        "guidance": GUIDANCE,
        "steps": STEPS,
        "against": f"fp32, {STEPS} Euler steps",
        "rows": rows,
        "checkpoint_sha256": checkpoint_sha256(*exact.loaded.folders),
        **environment(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=16, help="at most 16")
    folder = Path(__file__).parent / "results"
    parser.add_argument("--output", type=Path, default=folder / "precision.json")
    args = parser.parse_args()
    result = measure(args.clips)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
