"""Which views the embedded refiner finds in sentences, beside copying the sentence into every view.

Two sets of sentences that nothing was trained on and no setting chosen by: the six captions of each
test clip of MECAT, beside the views that MECAT gives (speech and music may be absent there, sounds
and environment never are), and `refiner_sentences.txt`, whose views were marked by hand. Per view:

- is it there: precision, recall and F1 of its presence;
- its words: precision is the share of the words of the view (stems, without those that say nothing)
  that the true view has in one of its phrasings; recall that of the words of the sentence that the
  true view has too, which copying has all of;
- of the marked sentences, whether the words said are exactly those quoted.

Intervals of 95 % are from 1000 draws of clips. From the root of the repository (half a minute):

    python -m tests.benchmarks.refiner prompts/mecat

Writes tests/benchmarks/results/refiner.json.
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from audiogen_jax.evaluate.metrics.shares import share_of
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.refiner.clauses import LABELS
from audiogen_jax.refiner.refine import refine
from data.refiner_captions import content_words, marked_sentences, mecat_clips

SENTENCES = Path(__file__).with_name("refiner_sentences.txt")
DRAWS = 1000
Views = Mapping[str, str | None]
Counts = Int[np.ndarray, "views 6"]


class Asked(NamedTuple):
    """Sentences about one clip, and the phrasings of each of its views; none of an absent one."""

    sentences: Sequence[str]
    views: Mapping[str, Sequence[str]]


def refined(text: str) -> Views:
    return vars(refine(text))


def copied(text: str) -> Views:
    """The baseline: the sentence is every view."""
    return dict.fromkeys(LABELS, text)


def counts(asked: Asked, find: Callable[[str], Views]) -> Counts:
    """Of each view: presences right, of those said, of the true ones; the same of words."""
    total = np.zeros((len(LABELS), 6), int)
    for text in asked.sentences:
        views, spoken = find(text), content_words(text).keys()
        for row, view in zip(total, LABELS, strict=True):
            true = content_words(" ".join(asked.views[view])).keys()
            said = content_words(views[view] or "").keys()
            there, present = views[view] is not None, bool(asked.views[view])
            row[:3] += [there and present, there, present]
            row[3:] += [len(said & true), len(said), len(spoken & true)]
    return total


def scores(total: Counts) -> np.ndarray:
    """float [views 6]: precision, recall and F1 of presence, then of words."""
    halves = np.split(total.astype(float), 2, axis=-1)
    ratios = []
    for right, said, true in (np.moveaxis(half, -1, 0) for half in halves):
        with np.errstate(invalid="ignore"):
            ratios += [right / said, right / true, 2 * right / (said + true)]
    return np.stack(ratios, axis=-1)


def measure(rows: Sequence[Asked], find: Callable[[str], Views]) -> dict[str, object]:
    """The scores of each view with their intervals."""
    each = np.stack([counts(asked, find) for asked in rows])
    rng = np.random.default_rng(0)
    draws = [each[rng.integers(len(each), size=len(each))].sum(0) for _ in range(DRAWS)]
    drawn = np.stack([scores(draw) for draw in draws])
    value = scores(each.sum(0))
    low, high = np.nanpercentile(drawn, [2.5, 97.5], axis=0)
    names = ["precision", "recall", "f1"]
    return {
        view: {
            kind: {
                name: [round(float(part[i, 3 * k + j]), 3) for part in (value, low, high)]
                for j, name in enumerate(names)
            }
            for k, kind in enumerate(("present", "words"))
        }
        for i, view in enumerate(LABELS)
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mecat", type=Path, help="folder with SMA.jsonl, 0MA.jsonl and 00A.jsonl")
    results = Path(__file__).parent / "results"
    parser.add_argument("--output", type=Path, default=results / "refiner.json")
    args = parser.parse_args()
    clips = mecat_clips(args.mecat, "test")
    marked = marked_sentences(SENTENCES, "test")
    sets = {
        "mecat": [Asked(clip.sentences, clip.views) for clip in clips],
        "marked": [
            Asked([row.text], {v: [row.views[v]] if v in row.views else [] for v in LABELS})
            for row in marked
        ],
    }
    measured = {
        name: {"refined": measure(rows, refined), "copied": measure(rows, copied)}
        for name, rows in sets.items()
    }
    said = {
        name: share_of(sum((refine(row.text).asr or "") == row.asr for row in rows), len(rows))
        for name, rows in {
            "of sentences with quotations": [row for row in marked if row.asr],
            "of others": [row for row in marked if not row.asr],
        }.items()
    }
    weights = resources.files("audiogen_jax.refiner").joinpath("weights.json").read_bytes()
    result = {
        "protocol": {
            "mecat": f"{len(clips)} clips of the part 'test' of data.refiner_captions, 6 captions",
            "marked": f"{len(marked)} sentences, every second of {SENTENCES.name}",
            "values": "[value, low, high]: 95 % intervals of 1000 draws of clips",
        },
        **measured,
        "asr_right": {name: share._asdict() for name, share in said.items()},
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        **environment(),
    }
    args.output.write_text(json.dumps(result, indent=2) + "\n")
    for name, ways in measured.items():
        for way, views in ways.items():
            for view, kinds in views.items():
                shown = " ".join(f"{value[0]:.2f}" for k in kinds.values() for value in k.values())
                print(f"{name:7} {way:8} {view:7} {shown}")
    print("asr", result["asr_right"])


if __name__ == "__main__":
    main()
