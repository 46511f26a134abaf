"""Writes the audio manifests of the single recordings from the manifests of their sources.

    python -m data.build_manifest --recordings recordings --out manifests

One manifest per set and `singles.jsonl` with all of them; equal inputs give equal bytes.
"""

import argparse
import os
from pathlib import Path, PurePosixPath
from typing import Any

from audiogen_jax.files.jsonl import read_rows, write_rows
from audiogen_jax.input.manifest import summary
from data.licenses import strictest
from data.sources import Source, sources_named
from data.splits import check_no_leak, held_out, recording_of
from data.views import views_of

CATEGORY = {"asr": "S00", "music": "0M0", "sfx": "00A", "env": "00A"}
"""Scene category (speech, music, acoustic events) by the view that a single recording has."""


def manifest_rows(source: Source, recordings: Path, out: Path) -> list[dict[str, Any]]:
    """The rows of one set, paths relative to `out`.

    Raises:
      FileNotFoundError: the set has not been fetched.
      ValueError: a clip without phrasings or with an unknown licence.
    """
    folder = recordings / source.name
    if not (folder / "manifest.jsonl").is_file():
        raise FileNotFoundError(f"{folder} has no manifest.jsonl: run python -m data.fetch first")
    clips = read_rows(folder / "manifest.jsonl")
    validation = held_out(source.name, clips)
    return [
        _row(
            source.name,
            clip,
            validation.get(clip["path"]),
            os.path.relpath(folder.resolve(), out.resolve()),
        )
        for clip in clips
    ]


def _row(source: str, clip: dict[str, Any], held: str | None, folder: str) -> dict[str, Any]:
    views = views_of(source, clip)
    category = next(CATEGORY[view] for view in CATEGORY if view in views)
    row = {
        "audio_id": f"{source}/{PurePosixPath(clip['path']).with_suffix('')}",
        "path": str(PurePosixPath(Path(folder).as_posix()) / clip["path"]),
        "duration": clip["duration"],
        "sample_rate": clip["sample_rate"],
        **views,
        "category": category,
        "label": clip["genre"] if source == "music" else clip["label"],
        "split": "val" if held else "train",
        "held_out": held,
        "recording": recording_of(source, clip),
        "speaker": f"{source}:{clip['speaker']}" if clip.get("speaker") else None,
        "source": source,
        "license": strictest([clip["license"]]),
        "author": clip["author"],
        "title": clip["title"],
        "source_url": clip["source_url"],
        "sha256": clip["sha256"],
    }
    return {name: value for name, value in row.items() if value is not None or name == "speaker"}


def build(recordings: Path, out: Path, sources: tuple[Source, ...]) -> list[dict[str, Any]]:
    """Writes `<out>/<set>.jsonl` for each set and `<out>/singles.jsonl`; returns all rows."""
    by_source = {source.name: manifest_rows(source, recordings, out) for source in sources}
    rows = [row for rows in by_source.values() for row in rows]
    check_no_leak(rows)
    for name, part in by_source.items():
        write_rows(out / f"{name}.jsonl", part)
    write_rows(out / "singles.jsonl", rows)
    return rows


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.build_manifest", description=__doc__)
    parser.add_argument("--recordings", type=Path, required=True, help="what data.fetch wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder of the manifests")
    parser.add_argument("--sources", help="comma-separated names; default: all")
    args = parser.parse_args(argv)
    try:
        rows = build(args.recordings, args.out, sources_named(args.sources))
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    print(f"{args.out / 'singles.jsonl'}: {summary(rows)}")


if __name__ == "__main__":
    main()
