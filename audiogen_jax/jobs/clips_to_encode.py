"""The clips of manifests in the order in which they are encoded."""

import dataclasses
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from audiogen_jax.files.jsonl import Row
from audiogen_jax.input.manifest import AudioRecord
from audiogen_jax.input.webdataset import scan_clips


@dataclasses.dataclass(frozen=True)
class Clip:
    """A clip to encode, and the manifest that names it."""

    manifest: Path
    record: AudioRecord

    def error(self, message: str) -> Row:
        """Its row of `errors.jsonl`."""
        return {
            "manifest": str(self.manifest),
            "line": self.record.line,
            "audio_id": self.record.audio_id,
            "path": str(self.record.path),
            "error": message,
        }


@dataclasses.dataclass(frozen=True)
class ClipBatch:
    """Clips of one shard that are encoded together, and whether they are its last."""

    shard: int
    clips: list[Clip]
    last: bool


class Manifests(NamedTuple):
    """What all manifests hold: clips, rows of `errors.jsonl` of what is none, a hash of each."""

    clips: list[Clip]
    malformed: list[Row]
    sha256: list[str]


def read_manifests(manifests: Sequence[Path]) -> Manifests:
    if not manifests:
        raise ValueError("no manifest given: expected at least one")
    scans = {path: scan_clips(path) for path in manifests}
    clips = [Clip(path, record) for path in manifests for record in scans[path].records]
    malformed: list[Row] = [
        {"manifest": str(path), "line": error.row, "error": error.message}
        for path, scan in scans.items()
        for error in scan.errors
    ]
    seen: dict[str, Path] = {}
    for clip in clips:
        audio_id = clip.record.audio_id
        if audio_id in seen:
            raise ValueError(
                f"audio_id {audio_id!r} is in both {seen[audio_id]} and {clip.manifest}: give each "
                "clip an id of its own, or encode the manifests to folders of their own"
            )
        seen[audio_id] = clip.manifest
    counts = Counter(clip.record.recording for clip in clips if clip.record.recording)
    several = [recording for recording, count in counts.items() if count > 1]
    if several and all(clip.record.split == "train" for clip in clips):
        warnings.warn(
            f"{len(several)} recordings have several clips ({several[0]!r}), which latents do not "
            "tell: a training would learn from some and hold out others. Give the clips a split",
            stacklevel=3,
        )
    return Manifests(clips, malformed, [scans[path].sha256 for path in manifests])


def clip_batches(
    shards: Sequence[Sequence[Clip]], todo: Iterable[int], size: int, max_seconds: float | None
) -> Iterator[ClipBatch]:
    """The clips of each shard in the order of their lengths; a function of the manifests alone."""
    for number in todo:
        longest = max_seconds or float("inf")
        clips = sorted(shards[number], key=lambda clip: min(clip.record.duration, longest))
        for start in range(0, len(clips), size):
            end = start + size
            yield ClipBatch(number, clips[start:end], last=end >= len(clips))
