"""Audio manifests: one JSON object per line, one clip each."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

from audiogen_jax.caption import VIEWS
from audiogen_jax.files.jsonl import Row, numbered_lines, parse_object
from audiogen_jax.files.remote import join, parse_path

SPLITS = ("train", "val")


class Member(NamedTuple):
    """A file inside a tar file: its name there, and where its bytes are."""

    name: str
    offset: int
    size: int


@dataclasses.dataclass(frozen=True)
class AudioRecord:
    """One clip of a manifest.

    Attributes:
      audio_id: unique name within the manifest.
      path: the audio file, or the tar file that holds it.
      duration: seconds.
      views: view -> its phrasings; absent views are left out.
      split: "train" or "val".
      line: of the manifest, or number of the sample in a tar file, from 1.
      member: the audio inside a tar file; None: `path` is the audio.
    """

    audio_id: str
    path: Path
    duration: float
    views: dict[str, tuple[str, ...]]
    split: str
    line: int
    member: Member | None = None


def read_manifest(path: str | Path) -> list[AudioRecord]:
    """Reads a manifest; `path` of a row is relative to the manifest's folder.

    A row holds `audio_id`, `path`, `duration` (s) and any of the six views, each a string or a
    list of phrasings; `split` is "train" unless given. Other columns are ignored.

    Raises:
      FileNotFoundError: no such manifest.
      ValueError: a malformed row, named by its line, a repeated id, or no rows.
    """
    path = parse_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no manifest at {path}")
    records: list[AudioRecord] = []
    seen: set[str] = set()
    for number, line in numbered_lines(path.read_bytes(), path):
        try:
            record = parse_row(parse_object(line), path.parent, number)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        if record.audio_id in seen:
            raise ValueError(f"{path}, line {number}: audio_id {record.audio_id!r} appears twice")
        seen.add(record.audio_id)
        records.append(record)
    if not records:
        raise ValueError(f"{path} holds no clips")
    return records


def parse_row(row: Row, folder: Path, line: int, member: Member | None = None) -> AudioRecord:
    """Makes a record of the columns of a row; the other arguments are attributes of it.

    Raises:
      ValueError: what is wrong with the row.
    """
    if missing := [name for name in ("audio_id", "path", "duration") if row.get(name) is None]:
        raise ValueError(f"missing {missing}")
    if not row["duration"] > 0:
        raise ValueError(f"duration is {row['duration']}, expected seconds above 0")
    split = row.get("split", "train")
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, expected one of {SPLITS}")
    views = {view: _phrasings(view, row[view]) for view in VIEWS if row.get(view)}
    path = join(folder, row["path"])
    return AudioRecord(row["audio_id"], path, row["duration"], views, split, line, member)


def _phrasings(view: str, value: object) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    phrasings = tuple(text for text in texts if isinstance(text, str) and text.strip())
    if len(phrasings) != len(texts):
        raise ValueError(f"view {view!r} is {value!r}, expected text or a list of texts")
    return phrasings
