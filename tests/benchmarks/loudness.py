"""Do delivered clips have the loudness and the peaks that were asked for, by FFmpeg's `ebur128`?

Recordings are taken at equal steps from the sorted files of a folder, those shorter than a gate of
400 ms left out. Each is brought to -16 LUFS (48 kHz, stereo) and to -23 LUFS (at its own rate and
channels), both with true peaks below -1 dBTP, written as 16-bit WAV and measured by the filter that
PyAV brings, whose filters and oversampling are others than the package's. What the limiter (24 dB
at most) does not reach is told by the package and counted here. From the root of the repository:

    python -m tests.benchmarks.loudness RECORDINGS

Writes tests/benchmarks/results/loudness.json.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from audiogen_jax.files.audio import read_audio
from audiogen_jax.files.audio_encoding import encode_audio
from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.loudness import GATE_SECONDS
from tests.loudness_meter import Reading, measure

DELIVERIES = {
    "podcast": Delivery(-16.0, -1.0, 48000, 2),
    "broadcast": Delivery(-23.0, -1.0),
}
COUNT = 50


def recordings(folder: Path) -> list[Path]:
    """So many files, as far apart as they can be."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".flac", ".wav"))
    long = [path for path in files if soundfile.info(path).duration >= GATE_SECONDS]
    return [long[int(i)] for i in np.linspace(0, len(long) - 1, COUNT)]


def row(path: Path, delivery: Delivery) -> tuple[Reading, bool, bool]:
    """What the meter reads, was the limiter at work, and did it reach what was asked for?"""
    audio = read_audio(path, None, None)
    made = delivery.apply(audio.samples, audio.sample_rate)
    read = measure(encode_audio(made.samples, made.sample_rate, ".wav").contents)
    return read, "limited" in str(made.changes), "LU from" not in str(made.changes)


def summary(rows: Sequence[tuple[Reading, bool, bool]], delivery: Delivery) -> dict[str, object]:
    reached = np.array([read.loudness - (delivery.loudness or 0) for read, _, ok in rows if ok])
    peaks = np.array([read.true_peak for read, _, _ in rows])
    return {
        "clips": len(rows),
        "limited": sum(limited for _, limited, _ in rows),
        "told_as_not_reached": sum(not ok for _, _, ok in rows),
        "loudness_error_lu_max": round(float(np.abs(reached).max()), 3),
        "loudness_error_lu_mean": round(float(reached.mean()), 3),
        "true_peak_dbtp_max": round(float(peaks.max()), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", type=Path)
    folder = parser.parse_args().recordings
    paths = recordings(folder)
    results = {
        name: summary([row(path, delivery) for path in paths], delivery)
        for name, delivery in DELIVERIES.items()
    }
    target = Path(__file__).parent / "results" / "loudness.json"
    target.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
