"""Clips in tar files of the webdataset layout, read in place.

A sample is the files of one name: its audio (`KEY.flac`, `.wav`, `.ogg`, `.opus` or `.mp3`) beside
`KEY.json`, the columns of a manifest row, or `KEY.txt`, its caption
(https://github.com/webdataset/webdataset).
"""

import io
import tarfile
from pathlib import Path

import soundfile

from audiogen_jax.files.jsonl import Row, parse_object
from audiogen_jax.files.remote import parse_path, store_errors
from audiogen_jax.input.manifest import AudioRecord, Member, parse_row, read_manifest

AUDIO = ("flac", "wav", "ogg", "opus", "mp3")


def read_clips(path: str | Path) -> list[AudioRecord]:
    """The clips of a manifest (.jsonl), or of a tar file in webdataset layout (.tar).

    Raises:
      FileNotFoundError: no such file.
      ValueError: malformed; the row or the sample is named.
    """
    path = parse_path(path)
    with store_errors(path):
        return read_tar(path) if path.suffix == ".tar" else read_manifest(path)


def read_tar(path: str | Path) -> list[AudioRecord]:
    """Finds the clips of a tar file; nothing is unpacked.

    A row of a `.json` needs no `path`; `audio_id` is the sample's key, and `duration` is read from
    the head of the audio unless given.

    Raises:
      FileNotFoundError: no such file.
      ValueError: not a tar file, a malformed sample, named by its key, or no clips.
    """
    path = parse_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no tar file at {path}")
    samples: dict[str, dict[str, tarfile.TarInfo]] = {}
    records = []
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                folder, _, name = member.name.rpartition("/")
                stem, _, kind = name.partition(".")
                if member.isfile() and stem:
                    samples.setdefault(f"{folder}/{stem}".lstrip("/"), {})[kind.lower()] = member
            for number, (key, files) in enumerate(samples.items(), 1):
                try:
                    records.append(_record(path, tar, key, files, number))
                except (ValueError, TypeError, soundfile.LibsndfileError) as error:
                    raise ValueError(f"{path}, sample {key!r}: {error}") from error
    except tarfile.ReadError as error:
        raise ValueError(
            f"{path} is no uncompressed tar file, or cut short ({error}): restore it"
        ) from error
    if not records:
        raise ValueError(f"{path} holds no clips")
    return records


def _record(
    path: Path, tar: tarfile.TarFile, key: str, files: dict[str, tarfile.TarInfo], number: int
) -> AudioRecord:
    audio = [files[kind] for kind in AUDIO if kind in files]
    if len(audio) != 1:
        raise ValueError(f"expected one audio file of {AUDIO}, got {sorted(files)}")
    row: Row = {}
    if "json" in files:
        row = parse_object(_read(tar, files["json"]).decode())
    elif "txt" in files:
        row = {"caption": _read(tar, files["txt"]).decode().strip()}
    row = {"audio_id": key, **row, "path": path}
    if row.get("duration") is None:
        row["duration"] = soundfile.info(io.BytesIO(_read(tar, audio[0]))).duration
    member = Member(audio[0].name, audio[0].offset_data, audio[0].size)
    return parse_row(row, path.parent, number, member)


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None, member.name  # a regular file
    return file.read()
