"""What has to be known to get a number again: versions, hardware, commit, hashes."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import jax

from audiogen_jax.evaluate.determinism import numerics

PACKAGES = ("jax", "jaxlib", "flax", "jiwer", "numpy", "librosa", "optax", "pesq", "pystoi", "soxr")


def environment() -> dict[str, object]:
    """Versions, hardware, numerics and the git commit that the package runs from."""
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "hardware": {
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "devices": sorted({device.device_kind for device in jax.devices()}),
            "device_count": jax.device_count(),
        },
        "numerics": numerics(),
        "git_commit": _commit(),
    }


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _commit() -> str | None:
    """The commit, with `-dirty` if tracked files differ; None outside a git checkout."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
