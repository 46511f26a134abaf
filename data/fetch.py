"""Copies the recordings from a mirror and verifies every clip by its sha256.

    python -m data.fetch --mirror DIR_OR_URL --out recordings [--sources esc10,fsdd]

Clips that are present and whole are kept, so an interrupted run is continued by the same command.
"""

import argparse
import hashlib
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from audiogen_jax.files.atomic import write_bytes
from audiogen_jax.files.jsonl import parse_rows
from data.sources import Source, sources_named

CONNECTIONS = 8
TIMEOUT_SECONDS = 60


def fetch(mirror: str, out: Path, sources: tuple[Source, ...]) -> int:
    """Fetches `sources` to `out/<name>/`; a set's manifest is written after its last clip.

    Args:
      mirror: a folder, or an http(s) address, with one subfolder per set.
      out: folder of the verified copy.
      sources: the sets to fetch.

    Returns:
      The number of clips that are now present.

    Raises:
      FileNotFoundError: the mirror lacks a file.
      ValueError: a manifest or clip differs from its sha256; nothing of it is written.
    """
    clips = 0
    for source in sources:
        content = _read(mirror, f"{source.name}/manifest.jsonl")
        if (found := _sha256(content)) != source.manifest_sha256:
            raise ValueError(
                f"{source.name}/manifest.jsonl of {mirror} has sha256 {found}, expected "
                f"{source.manifest_sha256}: use a mirror of the version named in data/sources.py"
            )
        rows = parse_rows(content, f"{source.name}/manifest.jsonl")
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            jobs = [
                pool.submit(_fetch_clip, mirror, out, f"{source.name}/{row['path']}", row["sha256"])
                for row in rows
            ]
            try:
                for job in jobs:
                    job.result()
            finally:
                pool.shutdown(cancel_futures=True)
        write_bytes(out / source.name / "manifest.jsonl", content)
        clips += len(rows)
        print(f"{source.name}: {len(rows)} clips verified")
    return clips


def _fetch_clip(mirror: str, out: Path, name: str, sha256: str) -> None:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise ValueError(f"clip path {name!r} leaves its folder: refuse to write it")
    target = out / relative
    if target.is_file() and _sha256(target.read_bytes()) == sha256:
        return
    content = _read(mirror, name)
    if (found := _sha256(content)) != sha256:
        raise ValueError(
            f"clip {name} of {mirror} has sha256 {found}, expected {sha256}: "
            "the mirror's copy is damaged or altered"
        )
    write_bytes(target, content)


def _read(mirror: str, name: str) -> bytes:
    if not mirror.startswith(("http://", "https://")):
        path = Path(mirror) / name
        if not path.is_file():
            raise FileNotFoundError(f"the mirror has no {name}: looked at {path}")
        return path.read_bytes()
    url = f"{mirror.rstrip('/')}/{urllib.parse.quote(name)}"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            return response.read()
    except urllib.error.HTTPError as error:
        raise FileNotFoundError(f"the mirror has no {name}: {url} answers {error.code}") from error
    except urllib.error.URLError as error:
        raise OSError(f"cannot read {url}: {error.reason}") from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.fetch", description=__doc__)
    parser.add_argument("--mirror", required=True, help="folder or http(s) address")
    parser.add_argument("--out", type=Path, required=True, help="folder of the verified copy")
    parser.add_argument("--sources", help="comma-separated names; default: all")
    args = parser.parse_args(argv)
    try:
        clips = fetch(args.mirror, args.out, sources_named(args.sources))
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    print(f"{clips} clips in {args.out}")


if __name__ == "__main__":
    main()
