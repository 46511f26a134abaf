"""The file of each clip of a job: its id, kept readable."""

import functools
import hashlib
import os
import unicodedata
from collections.abc import Iterable

LONGEST = 200
"""Bytes of a file name; file systems hold 255, some that encrypt fewer."""
_RESERVED = set('/\\:*?"<>|%~')
"""What some system does not hold in a name, and what we mark names with."""
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{d}{n}" for d in ("COM", "LPT") for n in range(1, 10))}
_JOINERS = "\u200c\u200d"
"""Invisible, but letters of some scripts change by them."""


def file_names(clip_ids: Iterable[str], suffix: str) -> dict[str, str]:
    """The file name of each id.

    Names that some file system takes for the same, as they differ in case or in how accents are
    composed, get a hash of their ids.

    Args:
      clip_ids: of a job, all different.
      suffix: of the files.
    """
    names = {clip_id: file_name(clip_id, suffix) for clip_id in clip_ids}
    first: dict[str, str] = {}
    for clip_id, name in names.items():
        if first.setdefault(_folded(name), clip_id) != clip_id:
            names[clip_id] = _hashed(clip_id, suffix)
    return names


def file_name(clip_id: str, suffix: str) -> str:
    """The file name of one id: distinct, and in no other folder.

    What a file name may not hold is percent-encoded; one that would be too long ends in "~" and a
    hash of the id.

    Args:
      clip_id: of the clip.
      suffix: of the file.
    """
    name = "".join(_characters(clip_id)) + suffix
    return name if clip_id and len(name.encode()) <= LONGEST else _hashed(clip_id, suffix)


def _hashed(clip_id: str, suffix: str) -> str:
    digest = hashlib.sha256(clip_id.encode("utf-8", "surrogatepass")).hexdigest()
    ending = f"~{digest[:16]}{suffix}"
    start, left = "", LONGEST - len(ending)
    for character in _characters(clip_id):
        left -= len(character.encode())
        if left < 0:
            break
        start += character
    return start + ending


def _characters(clip_id: str) -> list[str]:
    """The characters of an id as file names hold them."""
    characters = [*map(_as_held, clip_id)]
    device = clip_id.partition(".")[0].rstrip(" ").upper() in _DEVICES
    if device or clip_id.startswith("."):  # as hidden files do
        characters[0] = _quoted(clip_id[0])
    return characters


@functools.lru_cache(1 << 12)
def _as_held(character: str) -> str:
    unseen = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    if character in _RESERVED or (unseen and character not in _JOINERS):
        return _quoted(character)
    try:
        os.fsencode(character)
    except UnicodeEncodeError:  # the names of this system are in another encoding than UTF-8
        return _quoted(character)
    return character


def _quoted(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
