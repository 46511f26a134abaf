"""Hashes that tell one checkpoint or data file from another."""

import hashlib
from pathlib import Path

_CHUNK = 1 << 24


def sha256(*paths: Path) -> str:
    """One hash over the contents of files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def checkpoint_sha256(folder: Path) -> str:
    """One hash over every weight and configuration file of a checkpoint folder, by name."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"]
    return sha256(*sorted(files))
