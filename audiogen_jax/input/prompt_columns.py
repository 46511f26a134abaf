"""Columns of manifests and prompt files beside captions: words, voices, sounds, videos, edits."""

from collections.abc import Collection, Mapping

SPOKEN = ("transcript", "voice", "voice_text")
MEDIA = ("audio", "video")
EDITS = ("edit", "source", "what", "to")
"""What is done, to which file, with which sound, and what that becomes."""
FILES = ("voice", "audio", "video", "source")
"""Those that name files."""


def text_columns(row: Mapping[str, object], names: Collection[str]) -> dict[str, str]:
    """Those columns of a row that hold text; others of these names are somebody else's."""
    return {
        name: value for name in names if isinstance(value := row.get(name), str) and value.strip()
    }
