"""The manifest of a folder of recordings: what is in it, what it is called, who is held out."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from audiogen_jax.files.atomic import check_writable
from audiogen_jax.files.audio import read_audio, trim_silence
from audiogen_jax.files.jsonl import Row, write_rows
from audiogen_jax.input.folder_captions import Captions
from audiogen_jax.input.holdout import held_out
from audiogen_jax.input.recordings import SUFFIXES, find_recordings

_THREADS = 4


class LeftOut(NamedTuple):
    """A recording that is not in the manifest.

    Attributes:
      path: relative to the folder.
      reason: why not.
    """

    path: str
    reason: str


class FolderManifest(NamedTuple):
    """What was found in a folder.

    Attributes:
      rows: of the manifest.
      left_out: recordings without a row.
      notes: where the captions come from, and what is odd about them.
    """

    rows: list[Row]
    left_out: list[LeftOut]
    notes: list[str]


class _Recording(NamedTuple):
    path: PurePosixPath
    duration: float
    sample_rate: int
    sha256: str


def build_manifest(
    folder: str | Path,
    output: str | Path = "manifest.jsonl",
    *,
    captions: str | Path | None = None,
    val: float = 0.1,
    overwrite: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> FolderManifest:
    """Writes the audio manifest of a folder of recordings and of the folders in it.

    Every recording is decoded once, so that no row names one that training cannot read. A caption
    is that of the table, or of a `.txt` or `.json` file of the same name, or without a table the
    name of the recording or its folder. Copies of one recording get a column `recording`, by which
    they are on one side of a split.

    Args:
      folder: of the recordings; hidden files are not looked at.
      output: the manifest, whose paths are relative to its folder.
      captions: a table (.csv, .jsonl or .parquet) with a column of file names and columns of views.
      val: share of the clips, at least one, that are for validation, chosen by the hashes of their
        ids, unless the captions have a column `split`.
      overwrite: whether an existing `output` is replaced.
      report: is given (recordings read, all of them).

    Returns:
      What stands in the manifest, and what does not.

    Raises:
      ValueError: no recording is left, `val` is no share, a file of captions is malformed, or
        `output` is a recording or the table.
      OSError: there is no such folder, or `output` exists or cannot be written.
    """
    folder, output = Path(folder), Path(output)
    if not 0.0 <= val < 1.0:
        raise ValueError(f"val={val}: expected a share of the clips, at least 0 and below 1")
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    check_writable(output)
    if output.exists() and not overwrite:
        raise FileExistsError(f"{output} exists: give another name, or --overwrite")
    paths, left_out = _named_in_utf8(find_recordings(folder))
    if output.exists():
        for source in (*(folder / path for path in paths), *([Path(captions)] if captions else [])):
            if source.exists() and source.samefile(output):
                raise ValueError(
                    f"{output} is what the manifest would be made of: give another name"
                )
    if not paths:
        raise ValueError(f"no recordings in {folder}: looked for files that end in {_endings()}")
    named = Captions(folder, paths, captions)
    recordings, unreadable = _read_all(folder, paths, report)
    rows, uncaptioned = _rows(folder, output, recordings, named)
    left_out += unreadable + uncaptioned
    if not rows:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in left_out[:3])
        raise ValueError(
            f"none of the {len(left_out)} recordings in {folder} can be used: {reasons}"
        )
    _split(rows, val)
    write_rows(output, rows)
    return FolderManifest(rows, sorted(left_out), named.notes(rows))


def _endings() -> str:
    common = sorted(SUFFIXES & {".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff"})
    return ", ".join(common) + " and others"


def _named_in_utf8(
    paths: Sequence[PurePosixPath],
) -> tuple[list[PurePosixPath], list[LeftOut]]:
    good, bad = [], []
    for path in paths:
        try:
            str(path).encode()
            good.append(path)
        except UnicodeEncodeError:
            shown = str(path).encode(errors="surrogateescape").decode(errors="backslashreplace")
            bad.append(LeftOut(shown, "its name is not UTF-8: rename it"))
    return good, bad


def _read_all(
    folder: Path, paths: Sequence[PurePosixPath], report: Callable[[int, int], None]
) -> tuple[list[_Recording], list[LeftOut]]:
    recordings, unreadable = [], []
    with ThreadPoolExecutor(_THREADS) as pool:
        for done, result in enumerate(pool.map(lambda path: _read(folder, path), paths), 1):
            (recordings if isinstance(result, _Recording) else unreadable).append(result)
            report(done, len(paths))
    return recordings, unreadable


def _read(folder: Path, path: PurePosixPath) -> _Recording | LeftOut:
    name = str(path)
    try:
        audio = read_audio(folder / path, name=name)
    except (ValueError, OSError) as error:
        return LeftOut(name, str(error).removeprefix(f"{name} ").removeprefix(f"{name}: "))
    if not len(trim_silence(audio.samples)):
        return LeftOut(name, "is silent throughout")
    digest = hashlib.sha256(f"{audio.sample_rate} {audio.samples.shape}".encode())
    digest.update(audio.samples.tobytes())
    seconds = len(audio.samples) / audio.sample_rate
    return _Recording(path, seconds, audio.sample_rate, digest.hexdigest())


def _rows(
    folder: Path, output: Path, recordings: Sequence[_Recording], captions: Captions
) -> tuple[list[Row], list[LeftOut]]:
    rows, left_out = [], []
    counts = Counter(recording.sha256 for recording in recordings)
    first: dict[str, str] = {}
    root = _path_from(output.parent, folder)
    for recording, clip_id in zip(recordings, _clip_ids(recordings), strict=True):
        try:
            described = captions.of(recording.path)
        except ValueError as error:
            left_out.append(LeftOut(str(recording.path), str(error)))
            continue
        rows.append(
            {
                "audio_id": clip_id,
                "path": f"{root}/{recording.path}",
                "duration": recording.duration,
                "sample_rate": recording.sample_rate,
                **described,
            }
        )
        if counts[recording.sha256] > 1:  # copies are held out together
            rows[-1]["recording"] = first.setdefault(recording.sha256, clip_id)
    return rows, left_out


def _clip_ids(recordings: Sequence[_Recording]) -> Iterator[str]:
    """Paths without their suffixes, but where two would be equal."""
    stems = [str(recording.path.with_suffix("")) for recording in recordings]
    counts = Counter(stems)
    for stem, recording in zip(stems, recordings, strict=True):
        yield stem if counts[stem] == 1 else str(recording.path)


def _path_from(place: Path, folder: Path) -> str:
    """The path of a folder relative to another one: as it was given, or else without links."""
    for whole in (Path.absolute, Path.resolve):
        try:
            path = os.path.relpath(whole(folder), whole(place))
            if whole is Path.resolve or os.path.samefile(place / path, folder):
                return Path(path).as_posix()
        except (OSError, ValueError):  # `..` behind a link leads elsewhere; a drive of Windows
            continue
    return folder.resolve().as_posix()


def _split(rows: Sequence[Row], val: float) -> None:
    """Gives every row a split; what the captions say wins if they name any clip for validation."""
    validation = {row["audio_id"] for row in rows if row.get("split") == "val"}
    recordings = {row["audio_id"]: row.get("recording") for row in rows}
    validation = validation or held_out([*recordings], val, recordings)
    for row in rows:
        row["split"] = "val" if row["audio_id"] in validation else "train"
