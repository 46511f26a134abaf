"""The recordings in a folder: which files are some, and which one a table means."""

import os
import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import soundfile

SUFFIXES = {f".{name.lower()}" for name in soundfile.available_formats()} | {
    *(".aif", ".aifc", ".oga", ".opus", ".snd"),
    # Listed as left out, with a reason: libsndfile reads none of these.
    *(".aac", ".m4a", ".mka", ".mkv", ".mov", ".mp4", ".webm", ".wma"),
}
"""Of the files that are taken for recordings."""


def find_recordings(folder: Path) -> list[PurePosixPath]:
    """Files with a suffix of audio in a folder and those in it, by their names in order.

    Links are followed, each folder once.

    Args:
      folder: whose paths the result is relative to.
    """
    found, seen = [], set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = PurePosixPath(Path(parent).relative_to(folder).as_posix())
        found += [
            relative / name
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES
        ]
    return sorted(found)


class RecordingFinder:
    """Finds the recording that a table calls by its path or the end of it, whatever the suffix."""

    def __init__(self, paths: Sequence[PurePosixPath]):
        """Takes the paths of the recordings, relative to their folder."""
        self._by_end: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
        self._whole: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
        self._names: dict[PurePosixPath, str] = {}
        for path in paths:
            for spelling in _spellings(_normal(str(path))):
                self._whole[spelling].append(path)
                for end in _ends(spelling):
                    self._by_end[end].append(path)

    def __call__(self, name: str, where: str) -> PurePosixPath | None:
        """The recording of a name; None: there is none.

        Args:
          name: a path from anywhere.
          where: it stands, for errors.

        Raises:
          ValueError: it may be one of several, or another name was the same one.
        """
        for spelling in _spellings(_normal(name)):
            longer = [end for end in _ends(spelling) if end in self._whole]
            found = self._whole[longer[0]] if longer else self._by_end.get(spelling, [])
            if len(found) > 1:
                raise ValueError(
                    f"{where} may be {str(found[0])!r} or {str(found[1])!r}: give paths relative "
                    "to the folder"
                )
            if found:
                other = self._names.setdefault(found[0], name)
                if other != name:
                    raise ValueError(
                        f"{where} and {other!r} may both be {str(found[0])!r}: give paths relative "
                        "to the folder"
                    )
                return found[0]
        return None


def _spellings(path: str) -> list[str]:
    """A path, and without the suffix of a recording."""
    stem, suffix = posixpath.splitext(path)
    return [path, stem] if suffix.lower() in SUFFIXES else [path]


def _ends(path: str) -> Iterator[str]:
    """A path, and what is left when its folders are taken off one by one."""
    parts = path.split("/")
    for start in range(len(parts)):
        yield "/".join(parts[start:])


def _normal(path: str) -> str:
    """One spelling: systems differ in slashes and in how they compose accents."""
    return unicodedata.normalize("NFC", path.strip().replace("\\", "/")).removeprefix("./")
