"""Clips in tar files of the webdataset layout, read in place.

A sample is the files of one name: its audio (`KEY.flac`, `.wav`, `.ogg`, `.opus` or `.mp3`) beside
`KEY.json`, the columns of a manifest row, or `KEY.txt`, its caption
(https://github.com/webdataset/webdataset).
"""

import io
import tarfile
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

import soundfile

from audiogen_jax.files.fingerprint import sha256
from audiogen_jax.files.jsonl import Row, parse_object
from audiogen_jax.files.remote import parse_path, store_errors
from audiogen_jax.files.text import decode_text
from audiogen_jax.input.manifest import AudioRecord, Member, Scan, parse_row, scan_manifest
from audiogen_jax.input.row_errors import RowError, check_tolerated, warn_of

AUDIO = ("flac", "wav", "ogg", "opus", "mp3")
_COMPRESSED = (".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".lz4", ".zip")
_MOST_HEADER = 1 << 20
_MOST_TEXT = 1 << 24
"""Bytes of a header of a member, and of a row beside a clip: more than any real one has."""


def read_clips(path: str | Path) -> list[AudioRecord]:
    """`scan_clips` that warns of what is set aside.

    Raises:
      FileNotFoundError: no such file.
      ValueError: as `scan_clips`, or no clips.
    """
    scan = scan_clips(path)
    if not scan.records:
        raise ValueError(f"{path} holds no clips: {scan.errors[0].message}")
    warn_of(scan.errors, path)
    return scan.records


def scan_clips(path: str | Path) -> Scan:
    """The clips of a manifest (.jsonl), or of a tar file in webdataset layout (.tar).

    Raises:
      FileNotFoundError: no such file.
      ValueError: it cannot be read, repeats an id, has no rows, or too many that are malformed.
    """
    path = parse_path(path)
    with store_errors(path):
        scan = scan_tar(path) if path.suffix.lower() == ".tar" else _scan_rows(path)
    if scan.errors:
        total = len(scan.records) + len(scan.errors)
        check_tolerated(len(scan.errors), total, f"rows of {path}", scan.errors[0].message)
    return scan


def _scan_rows(path: Path) -> Scan:
    if path.suffix.lower() in _COMPRESSED:
        raise ValueError(
            f"{path} is compressed: unpack it to a .tar, in which audio is read in place, or to a "
            "manifest in .jsonl"
        )
    return scan_manifest(path)


def read_tar(path: str | Path) -> list[AudioRecord]:
    """Finds the clips of a tar file; nothing is unpacked.

    A row of a `.json` needs no `path`; `audio_id` is the sample's key, and `duration` is read from
    the head of the audio unless given.

    Raises:
      FileNotFoundError: no such file.
      ValueError: not a tar file, a malformed sample, named by its key, or no clips.
    """
    scan = scan_tar(path)
    if scan.errors:
        raise ValueError(scan.errors[0].message)
    return scan.records


def scan_tar(path: str | Path) -> Scan:
    """`read_tar` that sets malformed samples aside instead of stopping at the first.

    Raises:
      FileNotFoundError: no such file.
      ValueError: not a tar file, a repeated id, or nothing in it.
    """
    path = parse_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no tar file at {path}")
    records: dict[str, AudioRecord] = {}
    errors = []
    with path.open("rb") as tar:
        for number, (key, files) in enumerate(_samples(path, tar).items(), 1):
            try:
                record = _record(path, tar, key, files, number)
            except ValueError as error:
                errors.append(RowError(number, f"{path}, sample {key!r}: {error}"))
                continue
            name = record.audio_id
            if name in records:
                raise ValueError(f"{path}, sample {key!r}: audio_id {name!r} appears twice")
            records[name] = record
    if not records and not errors:
        raise ValueError(f"{path} holds no clips")
    return Scan([*records.values()], errors, sha256(path))


class _File(NamedTuple):
    """A file in a tar file, and whether its bytes are all there, one after the other."""

    member: Member
    whole: bool


class _Headers:
    """Reads what tarfile asks for: headers, of which no real one is long."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MOST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)


def _samples(path: Path, file: BinaryIO) -> dict[str, dict[str, _File]]:
    """The files of each sample, by what follows the first point of their names in lower case."""
    samples: dict[str, dict[str, _File]] = {}
    try:
        with tarfile.open(fileobj=cast(IO[bytes], _Headers(file)), mode="r:") as tar:
            while (info := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # it would keep them all
                folder, _, name = info.name.rpartition("/")
                stem, _, kind = name.partition(".")
                if info.isfile() and stem:
                    member = Member(info.name, info.offset_data, info.size)
                    key = f"{folder}/{stem}".lstrip("/")
                    samples.setdefault(key, {})[kind.lower()] = _File(member, not info.issparse())
    except (tarfile.TarError, RecursionError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{path} is no uncompressed tar file, or cut short ({error}): restore it"
        ) from error
    return samples


def _record(
    path: Path, tar: BinaryIO, key: str, files: dict[str, _File], number: int
) -> AudioRecord:
    audio = [files[kind].member for kind in AUDIO if kind in files]
    if len(audio) != 1:
        raise ValueError(f"expected one audio file of {AUDIO}, got {sorted(files)}")
    if holes := [file.member.name for file in files.values() if not file.whole]:
        raise ValueError(f"{holes[0]} has holes: pack the tar file without --sparse")
    row: Row = {}
    if "json" in files:
        row = parse_object(_text(tar, files["json"].member))
    elif "txt" in files:
        row = {"caption": _text(tar, files["txt"].member).strip()}
    row = {"audio_id": key, **row}
    if row.get("duration") is None:
        try:
            row["duration"] = soundfile.info(io.BytesIO(_bytes(tar, audio[0]))).duration
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{audio[0].name} is not audio: {error.error_string}") from error
    return parse_row(row, path, number, audio[0])


def _text(tar: BinaryIO, member: Member) -> str:
    if member.size > _MOST_TEXT:
        raise ValueError(f"{member.name} has {member.size} bytes, expected at most {_MOST_TEXT}")
    return decode_text(_bytes(tar, member), member.name)


def _bytes(tar: BinaryIO, member: Member) -> bytes:
    tar.seek(member.offset)
    return tar.read(member.size)
