"""The committed clips as a mirror of their own, and the manifests made from them."""

import dataclasses
import hashlib
from pathlib import Path

import pytest

from data.build_manifest import build
from data.sources import SOURCES, Source

CLIPS = Path(__file__).parent.parent / "clips"


@pytest.fixture(scope="session")
def clips() -> Path:
    return CLIPS


@pytest.fixture(scope="session")
def sources() -> tuple[Source, ...]:
    """The sets that have committed clips, with the checksums of the small manifests."""
    return tuple(
        dataclasses.replace(source, manifest_sha256=hashlib.sha256(file.read_bytes()).hexdigest())
        for source in SOURCES
        if (file := CLIPS / source.name / "manifest.jsonl").is_file()
    )


@pytest.fixture(scope="session")
def singles(sources, tmp_path_factory) -> Path:
    """A manifest of all committed clips."""
    out = tmp_path_factory.mktemp("manifests")
    build(CLIPS, out, sources)
    return out / "singles.jsonl"
