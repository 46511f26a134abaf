"""Files that appear whole or not at all: bytes, manifests and clips."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float

SAMPLE_RATE = 16000
"""Hz of every clip that this package writes."""


def write_bytes(path: Path, content: bytes) -> None:
    """Writes under a temporary name in the same folder, then renames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_manifest(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes one JSON object per line, in the order given."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_bytes(path, lines.encode())


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Reads a jsonl file.

    Raises:
      FileNotFoundError: no such file.
      ValueError: a line is not a JSON object.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no manifest at {path}")
    return parse_rows(path.read_bytes(), path)


def parse_rows(content: bytes, name: Path | str) -> list[dict[str, Any]]:
    """Parses the bytes of a jsonl file; `name` stands in the errors."""
    rows = []
    for number, line in enumerate(content.decode().splitlines(), 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{name}, line {number}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise ValueError(f"{name}, line {number}: expected a JSON object, got {line[:60]!r}")
        rows.append(row)
    return rows


def write_clip(path: Path, samples: Float[np.ndarray, " n"]) -> None:
    """Writes 16-bit FLAC at `SAMPLE_RATE` under a temporary name, then renames.

    Raises:
      ValueError: the samples are empty, not finite, or beyond [-1, 1].
    """
    if samples.size == 0 or not np.isfinite(samples).all() or np.abs(samples).max() > 1.0:
        raise ValueError(f"{path}: expected finite samples within [-1, 1], at least one")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        soundfile.write(partial, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
