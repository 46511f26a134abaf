"""Clips by their ids: of a folder that any system wrote, or of a list."""

import dataclasses
import hashlib
import urllib.parse
from collections.abc import Iterable, Sequence
from pathlib import Path

import soundfile

from audiogen_jax.files.audio import read_audio
from audiogen_jax.files.jsonl import Row, read_rows, to_lines

_IDS = ("audio_id", "id")
_PATHS = ("path", "file", "audio")
_UNREAD = (".aac", ".ac3", ".amr", ".ape", ".m4a", ".mka", ".wma", ".wv")
"""Audio that libsndfile does not read: left alone, it would be missing without a word."""


@dataclasses.dataclass(frozen=True)
class ClipFile:
    """One clip.

    Attributes:
      clip_id: that pairs it with its prompt and its reference.
      path: of the audio.
      category: if its list says so.
    """

    clip_id: str
    path: Path
    category: str | None = None


def read_clip_files(source: str | Path) -> list[ClipFile]:
    """The clips of a folder or of a list, in the order of their ids.

    A folder with `manifest.jsonl` (or those of several shares), as `audiogen batch` writes it, has
    the clips that stand there. In any other the id of a file is its path inside the folder without
    the suffix, percent-decoded; files that are no audio are left alone. A list is jsonl with
    `audio_id` (or `id`), `path` (`file`, `audio`), relative to the list, and perhaps `category`.

    Raises:
      FileNotFoundError: no such folder, list or audio file.
      ValueError: no clips, a malformed row, two clips of one id, or audio of a format that is not
        read.
    """
    source = Path(source)
    if source.is_dir():
        lists = sorted(source.glob("manifest*.jsonl"))
        clips = [clip for path in lists for clip in _listed(path)] if lists else _walked(source)
    elif source.suffix == ".jsonl":
        clips = _listed(source)
    elif source.exists():
        raise ValueError(f"{source}: expected a folder of audio, or a list of it as .jsonl")
    else:
        raise FileNotFoundError(f"no folder or list of audio at {source}")
    if not clips:
        raise ValueError(f"{source} holds no audio")
    seen: dict[str, Path] = {}
    for clip in clips:
        if (other := seen.setdefault(clip.clip_id, clip.path)) is not clip.path:
            raise ValueError(f"{source}: {other} and {clip.path} have one id, {clip.clip_id!r}")
    return sorted(clips, key=lambda clip: clip.clip_id)


def list_sha256(clips: Iterable[ClipFile]) -> str:
    """Hash of ids, sounds and categories; neither the folder nor the file format changes it."""
    rows = (
        {"id": clip.clip_id, "sound": sound_sha256(clip.path), "category": clip.category}
        for clip in clips
    )
    return hashlib.sha256(to_lines(rows)).hexdigest()


def sound_sha256(path: Path) -> str:
    """Hash of the samples of a file and of their rate: the same in WAV and FLAC, 16 and 24 bits."""
    audio = read_audio(path, channels=None)
    digest = hashlib.sha256(f"{audio.sample_rate} {audio.samples.shape[1]}".encode())
    digest.update(audio.samples.tobytes())
    return digest.hexdigest()


def cell(row: Row, names: Sequence[str], where: str) -> str:
    """The text of a row under the first of some names that it has.

    Raises:
      ValueError: it has none, or no text there.
    """
    value = next((row[name] for name in names if row.get(name) is not None), None)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}: expected text in {' or '.join(names)}, got {value!r:.60}")
    return value.strip()


def clip_id(row: Row, where: str) -> str:
    """The id of a row."""
    return cell(row, _IDS, where)


def _listed(path: Path) -> list[ClipFile]:
    clips = []
    for number, row in enumerate(read_rows(path), 1):
        where = f"{path}, row {number}"
        audio = path.parent / cell(row, _PATHS, where)
        if not audio.is_file():
            raise FileNotFoundError(f"{where}: no audio file at {audio}")
        category = cell(row, ("category",), where) if row.get("category") is not None else None
        clips.append(ClipFile(clip_id(row, where), audio, category))
    return clips


def _walked(folder: Path) -> list[ClipFile]:
    suffixes = {f".{name.lower()}" for name in soundfile.available_formats()} - {".raw"}
    suffixes |= {".aif", ".opus"}
    clips = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(name.startswith(".") for name in inside.parts)
        if path.suffix.lower() in _UNREAD and not hidden:
            raise ValueError(f"{path}: {path.suffix} is not read; convert it to WAV or FLAC")
        if path.suffix.lower() in suffixes and path.is_file() and not hidden:
            name = urllib.parse.unquote(inside.with_suffix("").as_posix())
            clips.append(ClipFile(name, path))
    return clips
