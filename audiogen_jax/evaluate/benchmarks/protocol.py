"""What a report says of the clips of a suite."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audiogen_jax.evaluate.benchmarks.clip_files import ClipFile, list_sha256
from audiogen_jax.evaluate.benchmarks.hearing import Heard
from audiogen_jax.evaluate.benchmarks.matching import Matched
from audiogen_jax.evaluate.benchmarks.options import SuiteOptions
from audiogen_jax.evaluate.benchmarks.score import Scores
from audiogen_jax.evaluate.benchmarks.table import benchmark
from audiogen_jax.evaluate.waveforms import RESAMPLER
from audiogen_jax.files.fingerprint import sha256


def clips_protocol(
    options: SuiteOptions, matched: Matched, measured: Scores, audio: str
) -> dict[str, object]:
    """What was read, and how it was brought to the networks.

    Args:
      options: with the paths as they were given.
      matched: the clips.
      measured: what was heard of them.
      audio: their folder or list.
    """
    row = benchmark(options.suite)
    lists = {
        name: {"path": path, "sha256": sha256(Path(path))}
        for name, path in (("prompts", options.prompts), ("transcripts", options.transcripts))
        if path is not None
    }
    references = matched.references
    return {
        "benchmark": row,
        "audio": _clips(audio, matched.clips, measured.heard),
        "references": None
        if references is None or measured.references is None
        else _clips(str(options.references), references, measured.references),
        **lists,
        "scores": [{"path": path, "sha256": sha256(Path(path))} for path in options.scores],
        "paired": matched.paired,
        "channels": "averaged to mono",
        "resampler": f"{RESAMPLER}, to {row.sample_rate} Hz, then to each embedder's",
        "clap_text": "the caption view of the prompt",
        "kl": "softmax, epsilon 1e-6 in the logarithm",
        "intervals": "95 %, percentile bootstrap over clips; of distances of sets centred",
    }


def _clips(path: str, clips: Sequence[ClipFile], heard: Heard) -> dict[str, object]:
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    rates, counts = np.unique(heard.rates, return_counts=True)
    return {
        "path": path,
        "clips": len(clips),
        "sounds_sha256": list_sha256(clips),
        "seconds": {
            "least": min(heard.seconds),
            "median": float(np.median(heard.seconds)),
            "most": max(heard.seconds),
        },
        "sample_rates": {str(rate): int(count) for rate, count in zip(rates, counts, strict=True)},
        "silent": heard.silent,
        "files": {clip.clip_id: _relative(clip.path, folder) for clip in clips},
    }


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
