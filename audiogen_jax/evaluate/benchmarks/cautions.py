"""What of clips and references moves scores though nobody listens to it."""

from collections.abc import Sequence

import numpy as np

from audiogen_jax.evaluate.benchmarks.benchmark import Benchmark
from audiogen_jax.evaluate.benchmarks.hearing import Heard

APART = 0.1
"""Share by which median lengths may differ."""
_SHOWN = 3


def cautions(benchmark: Benchmark, heard: Heard, references: Heard | None) -> list[str]:
    """A line for silence, copies, a band that is missing, and lengths that differ.

    Args:
      benchmark: how clips were brought to the networks.
      heard: of the clips.
      references: of the references.
    """
    sets = [("clips", heard)] + ([("references", references)] if references else [])
    lines = [
        line
        for what, each in sets
        for line in (*_silence(what, each), *_copies(what, each), *_band(benchmark, what, each))
    ]
    if references is not None:
        if same := [
            name
            for name, sound in zip(heard.clip_ids, heard.sounds, strict=True)
            if sound in {*references.sounds}
        ]:
            lines.append(
                f"{len(same)} of {len(heard)} clips are references themselves ({_named(same)}): "
                "scores of these say nothing of a generator"
            )
        mine, theirs = (_median(benchmark, each) for each in (heard, references))
        if abs(mine - theirs) > APART * max(mine, theirs):
            lines.append(
                f"clips last {mine:.2f} s and references {theirs:.2f} s (medians): distances of "
                "sets tell lengths apart, too"
            )
    return lines


def _silence(what: str, heard: Heard) -> list[str]:
    if not heard.silent:
        return []
    return [
        f"{len(heard.silent)} of {len(heard)} {what} are silent ({_named(heard.silent)}): they "
        "count as they are, and distances of sets may flatter them"
    ]


def _copies(what: str, heard: Heard) -> list[str]:
    first: dict[str, str] = {}
    sounds = zip(heard.clip_ids, heard.sounds, strict=True)
    copies = [
        name
        for name, sound in sounds
        if first.setdefault(sound, name) != name and name not in heard.silent
    ]
    if not copies:
        return []
    return [
        f"{len(copies)} of {len(heard)} {what} are copies of others among them "
        f"({_named(copies)}): they count as often as they are there, and intervals are too narrow"
    ]


def _band(benchmark: Benchmark, what: str, heard: Heard) -> list[str]:
    low = [rate for rate in heard.rates if rate < benchmark.sample_rate]
    if not low:
        return []
    return [
        f"{len(low)} of {len(heard)} {what} have a rate below {benchmark.sample_rate} Hz, the "
        f"lowest {min(low)} Hz: nothing is heard above {min(low) // 2} Hz"
    ]


def _named(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + ("" if len(names) <= _SHOWN else ", …")


def _median(benchmark: Benchmark, heard: Heard) -> float:
    """Seconds that are scored."""
    return float(np.median(np.minimum(heard.seconds, benchmark.seconds or np.inf)))
