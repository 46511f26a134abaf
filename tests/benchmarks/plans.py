"""What training the published sizes would cost on common machines, without any of them.

One `audiogen plan` after another, of `configs/xl.py` and `configs/omni.py` (up to 4 minutes each on
2 cores; needs the extra "tpu", which installs libtpu; for GPUs virtual CPU devices are
partitioned):

    python -m tests.benchmarks.plans

Writes tests/benchmarks/results/plans.json; rows already there are made again only with --again.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import jax

from audiogen_jax.evaluate.protocol import environment

ROOT = Path(__file__).parents[2]
SIXTEENTHS = ("--set", "mesh.data=-1", "--set", "mesh.fsdp=16")
RELEASED = ("--steps", "100", "--guidance", "7", "--schedule", "linear")
PLANS: dict[str, tuple[str, ...]] = {
    "v5e-256, 16 replicas in 16 parts": ("v5e:16x16", *SIXTEENTHS),
    "v5e-16": ("v5e:4x4",),
    "v5p-64": ("v5p:4x4x2",),
    "v6e-64, 8 replicas in 8 parts": (
        "v6e:8x8", "--set", "mesh.data=8", "--set", "mesh.fsdp=8",
    ),
    "8 x H200": ("h200:8",),
    "v5e-256, 16 replicas in 16 parts, batch 2048": (
        "v5e:16x16", *SIXTEENTHS, "--batch", "2048",
    ),
    "v5e-8, sampler": ("v5e:2x4", "--batch", "64", "--sampler"),
    "v5e-256": ("v5e:16x16",),
    "Audio-Omni, v5e-8": ("v5e:2x4", "--config", "omni", "--batch", "32"),
    "Audio-Omni, two 80 GB GPUs": ("h100:2", "--config", "omni", "--batch", "16"),
    "Audio-Omni, one 80 GB GPU": ("h100:1", "--config", "omni:one_gpu", "--batch", "8"),
    "Audio-Omni, one 80 GB GPU, adapters": (
        "h100:1", "--config", "omni", "--batch", "16", "--set", "lora.rank=16",
    ),
    "Audio-Omni, v5e-8, sampler": (
        "v5e:2x4", "--config", "omni", "--batch", "8", "--sampler", "--sharding", "fsdp", *RELEASED,
    ),
    "Audio-Omni, one 80 GB GPU, sampler": (
        "h100:1", "--config", "omni", "--batch", "8", "--sampler", *RELEASED,
    ),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--again", action="store_true", help="make rows that are there already")
    output = Path(__file__).parent / "results" / "plans.json"
    parser.add_argument("--output", type=Path, default=output)
    args = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")  # here; libtpu compiles in processes of their own
    for name, (topology, *options) in PLANS.items():
        found = json.loads(args.output.read_text()) if args.output.is_file() else {}
        if name in found and not args.again:
            continue
        with tempfile.TemporaryDirectory() as folder:
            plan = Path(folder) / "plan.json"
            command = ["plan", "--topology", topology]
            if "--config" not in options:
                command += ["--config", "xl"]
            code = (
                f"from audiogen_jax.cli import main; main({[*command, *options, '-o', str(plan)]})"
            )
            subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
            found[name] = json.loads(plan.read_text()) | environment()
        args.output.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
