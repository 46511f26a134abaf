"""What others said of clips, by id: transcripts of a recogniser, scores of a judge."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from audiogen_jax.evaluate.benchmarks.clip_files import ClipFile, clip_id, sound_sha256
from audiogen_jax.files.jsonl import Row, read_rows

_TEXTS = ("transcript", "text")
_NO_SCORES = ("audio_id", "id", "path", "file", "audio", "model", "category")


@dataclasses.dataclass(frozen=True)
class Transcripts:
    """What a recogniser heard.

    Attributes:
      texts: by id; empty where it heard nothing.
      model: the recogniser.
    """

    texts: Mapping[str, str]
    model: str


def read_transcripts(path: str | Path) -> Transcripts:
    """Reads jsonl of `audio_id`, `transcript` (or `text`, "" where nothing was heard) and `model`.

    Raises:
      FileNotFoundError: no such file.
      ValueError: a malformed row, an id twice, no rows, or rows that name no recogniser or several.
    """
    texts: dict[str, str] = {}
    models = set()
    for where, name, row in _rows(path):
        text = next((row[column] for column in _TEXTS if column in row), None)
        if not isinstance(text, str):
            raise ValueError(f"{where}: expected a text in transcript or text, got {text!r:.60}")
        if name in texts:
            raise ValueError(f"{where}: the id {name!r} appears twice")
        texts[name] = text
        models.add(row.get("model"))
    (model, *others) = models
    if others or not isinstance(model, str) or not model.strip():
        raise ValueError(
            f'{path}: expected the same "model" in every row, the recogniser that a word error '
            f"rate is of, got {sorted(map(str, models))}"
        )
    return Transcripts(texts, model.strip())


def read_scores(path: str | Path) -> dict[str, dict[str, float]]:
    """Reads jsonl of `audio_id` and numbers, such as `utmosv2`: name in lower case -> id -> score.

    Raises:
      FileNotFoundError: no such file.
      ValueError: a malformed row, an id twice, no rows, or a score that is not finite.
    """
    scores: dict[str, dict[str, float]] = {}
    seen = set()
    for where, name, row in _rows(path):
        if name in seen:
            raise ValueError(f"{where}: the id {name!r} appears twice")
        seen.add(name)
        for column, value in row.items():
            if column in _NO_SCORES or value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if not math.isfinite(value):
                raise ValueError(f"{where}: {column} is {value}, expected a finite number")
            scores.setdefault(column.lower(), {})[name] = float(value)
    if not scores:
        raise ValueError(f"{path}: no row holds a number, such as utmosv2")
    return scores


def check_sounds(path: str | Path, clips: Sequence[ClipFile]) -> None:
    """Checks a list whose rows have a `sound_sha256`, as lists made by networks here do.

    Args:
      path: of the list.
      clips: by whose ids it will be read.

    Raises:
      FileNotFoundError: no such file.
      ValueError: a row is of another sound than the clip of its id.
    """
    sounds = {name: row["sound_sha256"] for _, name, row in _rows(path) if "sound_sha256" in row}
    for clip in clips:
        if clip.clip_id in sounds and sounds[clip.clip_id] != sound_sha256(clip.path):
            raise ValueError(
                f"{path} is of other sounds: {clip.path} has changed since its row "
                f"{clip.clip_id!r} was made; let the network hear these clips"
            )


def _rows(path: str | Path) -> list[tuple[str, str, Row]]:
    """Where a row stands, the id of its clip, and the row."""
    rows = []
    for number, row in enumerate(read_rows(path), 1):
        where = f"{path}, row {number}"
        rows.append((where, clip_id(row, where), row))
    if not rows:
        raise ValueError(f"{path} holds no rows")
    return rows
