"""Audio manifests: one JSON object per line, one clip each."""

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from audiogen_jax.caption import VIEWS, check_text
from audiogen_jax.files.jsonl import Row, numbered_lines, parse_object
from audiogen_jax.files.remote import join, parse_path
from audiogen_jax.input.edits.columns import as_clip_row, is_pair
from audiogen_jax.input.prompt_columns import EDITS, MEDIA, SPOKEN, text_columns
from audiogen_jax.input.row_errors import RowError

SPLITS = ("train", "val")
ROUNDED_SECONDS = 0.1
"""By so much a clip may be longer than its manifest states: containers pad, and people round."""
_NOTES = ("label", "speaker", "recording")


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
      label: what it shows, in a word; clips of a scene are drawn evenly over labels.
      speaker: who speaks, in whatever way; words of one speaker may follow each other in a scene.
      recording: what it was cut from; clips of one recording are held out together.
      inputs: columns of `prompt_columns`, for generators that read more than captions.
    """

    audio_id: str
    path: Path
    duration: float
    views: dict[str, tuple[str, ...]]
    split: str
    line: int
    member: Member | None = None
    label: str | None = None
    speaker: str | None = None
    recording: str | None = None
    inputs: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def check_fits(self, seconds: float, longest: float) -> None:
        """Refuses a clip whose words would be cut where by its stated duration they fit.

        Args:
          seconds: that it was found to last.
          longest: seconds of it that are kept.

        Raises:
          ValueError: its manifest states a duration that is far too short.
        """
        if "asr" in self.views and self.duration <= longest < seconds - ROUNDED_SECONDS:
            raise ValueError(
                f"clip {self.audio_id!r} ({self.path}) lasts {seconds:.2f} s, its manifest states "
                f"{self.duration:g} s: its words would be cut; correct its duration"
            )


class Scan(NamedTuple):
    """What a manifest, or a tar file, was found to hold.

    Attributes:
      records: its clips.
      errors: rows or samples that are none.
      sha256: of the file that was read.
    """

    records: list[AudioRecord]
    errors: list[RowError]
    sha256: str


def read_manifest(path: str | Path) -> list[AudioRecord]:
    """Reads a manifest; `path` of a row is relative to the manifest's folder.

    A row holds `audio_id`, `path`, `duration` (s) and any of the six views, each a string or a
    list of phrasings; `split` is "train" unless given, `label` and `speaker` are texts, and so are
    the columns of `prompt_columns`. Other columns are ignored. Rows of edit pairs, see
    `edits.manifest`, are read as their results, with the edit in these columns.

    Raises:
      FileNotFoundError: no such manifest.
      ValueError: a malformed row, named by its line, a repeated id, or no rows.
    """
    scan = scan_manifest(path)
    if scan.errors:
        raise ValueError(scan.errors[0].message)
    return scan.records


def scan_manifest(path: str | Path) -> Scan:
    """`read_manifest` that sets malformed rows aside instead of stopping at the first.

    Raises:
      FileNotFoundError: no such manifest.
      ValueError: it cannot be read, repeats an id, or has no rows.
    """
    path = parse_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no manifest at {path}")
    contents = path.read_bytes()
    records: list[AudioRecord] = []
    errors: list[RowError] = []
    seen: set[str] = set()
    for number, line in numbered_lines(contents, path):
        try:
            row = parse_object(line)
            if is_pair(row):
                row = as_clip_row(row, path.parent)
            record = parse_row(row, join(path.parent, _text(row, "path")), number)
        except (ValueError, OSError) as error:
            errors.append(RowError(number, f"{path}, line {number}: {error}"))
            continue
        if record.audio_id in seen:
            raise ValueError(f"{path}, line {number}: audio_id {record.audio_id!r} appears twice")
        seen.add(record.audio_id)
        records.append(record)
    if not records and not errors:
        raise ValueError(f"{path} holds no clips")
    return Scan(records, errors, hashlib.sha256(contents).hexdigest())


def parse_row(row: Row, path: Path, line: int, member: Member | None = None) -> AudioRecord:
    """Makes a record of the columns of a row; the other arguments are attributes of it.

    Raises:
      ValueError: what is wrong with the row.
    """
    audio_id, duration = _text(row, "audio_id"), row.get("duration")
    if isinstance(duration, bool) or not isinstance(duration, int | float):
        raise ValueError(f"duration is {duration!r:.40}, expected seconds")
    if not 0 < duration < math.inf:
        raise ValueError(f"duration is {duration}, expected seconds above 0")
    split = row.get("split", "train")
    if split not in SPLITS:
        raise ValueError(f"split is {split!r:.40}, expected one of {SPLITS}")
    views = {view: _phrasings(view, row[view]) for view in VIEWS if row.get(view)}
    notes = {name: row[name] for name in _NOTES if isinstance(row.get(name), str)}
    inputs = text_columns(row, (*SPOKEN, *MEDIA, *EDITS))
    return AudioRecord(audio_id, path, duration, views, split, line, member, **notes, inputs=inputs)


def _text(row: Row, name: str) -> str:
    """The value of a column that must be there; numbers are read as text."""
    value = row.get(name)
    if value is None or value == "":
        raise ValueError(f"missing {[name]}")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{name} is a {type(value).__name__}, expected text")
    check_text(name, str(value))
    return str(value)


def summary(rows: Sequence[Row]) -> str:
    """Clips and minutes of each split of the rows of a manifest, in one line."""
    parts = []
    for split in ("train", "val"):
        durations = [row["duration"] for row in rows if row["split"] == split]
        if durations:
            parts.append(f"{split} {len(durations)} clips, {sum(durations) / 60:.1f} min")
    return "; ".join(parts)


def _phrasings(view: str, value: object) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    phrasings = tuple(text for text in texts if isinstance(text, str) and text.strip())
    if len(phrasings) != len(texts):
        raise ValueError(f"view {view!r} is no text or list of texts that are not blank")
    for text in phrasings:
        check_text(view, text)
    return phrasings
