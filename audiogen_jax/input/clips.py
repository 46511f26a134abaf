"""Where training and encoding find their clips: manifests, or tar files of audio."""

from pathlib import Path

from audiogen_jax.input.manifest import AudioRecord, read_manifest
from audiogen_jax.input.webdataset import read_tar


def read_clips(path: str | Path) -> list[AudioRecord]:
    """The clips of a manifest (.jsonl), or of a tar file in webdataset layout (.tar).

    Raises:
      FileNotFoundError: no such file.
      ValueError: malformed; the row or the sample is named.
    """
    return read_tar(path) if Path(path).suffix == ".tar" else read_manifest(path)
