"""What edits by masks can reach with the latents of a codec, and what needs no model at all.

Held-out recordings are mixed as `audiogen evaluate --part editing` mixes them; SI-SDR over doing
nothing of every row of that suite but the editor's. From the root of the repository (a minute):

    python -m tests.benchmarks.editing_bounds datasets/manifests/singles.jsonl

Writes tests/benchmarks/results/editing-bounds.json.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.metrics.means import mean_of
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.evaluate.recordings import read_recordings
from audiogen_jax.evaluate.suite import Model
from audiogen_jax.evaluate.suites.edit_pairs import SECONDS, JudgedPair, edit_pairs
from audiogen_jax.evaluate.suites.editing import LIMITS_DB, floored_si_sdr, without_a_model
from audiogen_jax.infer.codec import Codec

FORMS = ("extract", "remove")


def scores(
    rows: Sequence[JudgedPair], clips: Sequence[Float[np.ndarray, " n"]]
) -> dict[str, object]:
    """SI-SDR of what a system makes, and over doing nothing, decibels."""
    reached = [floored_si_sdr(row.goal, clip) for row, clip in zip(rows, clips, strict=True)]
    before = [floored_si_sdr(row.goal, row.source) for row in rows]
    gains = np.subtract(reached, before)
    return {
        "si_sdr_db": mean_of(reached),
        "gain_db": mean_of(gains.tolist()),
        "median_si_sdr_db": float(np.median(reached)),
        "median_gain_db": float(np.median(gains)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", help="real recordings, train and val split")
    parser.add_argument("--checkpoint", default="nano", help="whose codec")
    parser.add_argument("--pairs", type=int, default=50, help="of each form")
    parser.add_argument("--seed", type=int, default=0)
    results = Path(__file__).parent / "results"
    parser.add_argument("--output", type=Path, default=results / "editing-bounds.json")
    args = parser.parse_args()
    model = Model(Codec.load(args.checkpoint))
    recordings = read_recordings(args.manifest, model.codec.sample_rate)
    table = {}
    for form in FORMS:
        rows = edit_pairs(form, recordings, args.pairs, args.seed)
        systems = without_a_model(model, rows)
        table[form] = {name: scores(rows, clips) for name, clips in systems.items()}
        for name, score in table[form].items():
            print(f"{form}, {name}: median {score['median_gain_db']:.1f} dB over doing nothing")
    result = {
        "checkpoint": args.checkpoint,
        "manifest": Path(args.manifest).name,
        "pairs": args.pairs,
        "seconds": SECONDS,
        "seed": args.seed,
        "si_sdr_within_db": LIMITS_DB,
        "rows": table,
        **environment(),
    }
    args.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
