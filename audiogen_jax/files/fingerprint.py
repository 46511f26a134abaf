"""Hashes that tell one checkpoint or data file from another."""

import hashlib
from pathlib import Path

from audiogen_jax.files.content_hashes import HASHES

_CHUNK = 1 << 24


def sha256(*paths: Path) -> str:
    """One hash over the contents of files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def checkpoint_sha256(*folders: Path) -> str:
    """One hash over every weight and configuration file of a checkpoint, by name.

    Args:
      folders: of the checkpoint and of those that it names; one that lies in another counts once.
    """
    files: list[Path] = []
    for number, folder in enumerate(folders):
        others = (other.resolve() for other in folders[:number])
        if not any(folder.resolve().is_relative_to(other) for other in others):
            files += sorted(
                path
                for path in folder.rglob("*")
                if path.is_file() and path.suffix != ".md" and path.name != HASHES
            )
    return sha256(*files)
