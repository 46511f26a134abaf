"""Real recordings of a manifest, with what evaluation needs to know about each."""

import dataclasses
import hashlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.leakage import SoundKeys, some_of, sound_keys
from audiogen_jax.files.audio import read_audio
from audiogen_jax.files.jsonl import read_rows
from audiogen_jax.input.manifest import read_manifest


@dataclasses.dataclass(frozen=True)
class Recording:
    """One real clip.

    Attributes:
      audio_id: unique name within the manifest.
      samples: float32 [n].
      sample_rate: Hz.
      split: "train" or "val".
      views: view -> its phrasings.
      label: class name of the data set it comes from, if it has one.
      source: the data set.
      category: letters of the views that sound: S speech, M music, A sound.
      held_out: for "val", what training never saw: "speaker", "recording" or only this "take".
      speaker: who speaks, if the manifest says so.
      recording: what it was cut from; clips of one recording sound alike.
    """

    audio_id: str
    samples: Float[np.ndarray, " n"]
    sample_rate: int
    split: str
    views: dict[str, tuple[str, ...]]
    label: str | None = None
    source: str | None = None
    category: str | None = None
    held_out: str | None = None
    speaker: str | None = None
    recording: str | None = None

    @property
    def word(self) -> str | None:
        """The single word that is said, in lower case; None for sentences and for no speech."""
        words = self.views.get("asr", ("",))[0].lower().strip(" .!?\"'").split()
        return words[0] if len(words) == 1 else None


def read_recordings(manifest: str | Path, sample_rate: int) -> list[Recording]:
    """Reads every real clip of a manifest as mono, by the name of the clip.

    Rows marked synthetic are left out. In the order of the names, draws and batches of a suite do
    not depend on that of the rows.

    Args:
      manifest: jsonl as `read_manifest` takes it; `label`, `source`, `category`, `held_out`,
        `speaker`, `recording` and `synthetic` are read too.
      sample_rate: to read them at, Hz.

    Raises:
      FileNotFoundError: no such manifest or audio file.
      ValueError: a malformed row, or no real clips.
    """
    recordings = []
    for record, row in zip(read_manifest(manifest), read_rows(manifest), strict=True):
        if not row.get("synthetic"):
            recordings.append(
                Recording(
                    record.audio_id,
                    read_audio(record.path, sample_rate).samples[:, 0],
                    sample_rate,
                    record.split,
                    record.views,
                    row.get("label"),
                    row.get("source"),
                    row.get("category"),
                    row.get("held_out"),
                    row.get("speaker"),
                    row.get("recording"),
                )
            )
    if not recordings:
        raise ValueError(f"{manifest} holds no real recordings, only synthetic clips")
    if heard := heard_in_training(recordings):
        names = some_of([recording.audio_id for recording in heard])
        warnings.warn(
            f"{manifest}: {len(heard)} clips of its split val are in its training split too, or "
            f"are cut from a recording that is ({names}): nothing that is measured on them is held "
            "out. No judge learns from their likes",
            stacklevel=2,
        )
    return sorted(recordings, key=lambda recording: recording.audio_id)


def heard_in_training(recordings: Sequence[Recording]) -> list[Recording]:
    """Clips for validation that training has, too: the same samples, or of the same recording.

    Of those that say that only the take is held out, a recording is no reason.
    """
    trained = {key for clip in recordings if clip.split == "train" for key in _keys(clip)}
    return [clip for clip in recordings if clip.split == "val" and trained & {*_keys(clip)}]


def teaching(recordings: Sequence[Recording]) -> list[Recording]:
    """Clips that a judge learns from: those of training, but for what `heard_in_training` finds."""
    asked = {key for clip in recordings if clip.split == "val" for key in _keys(clip)}
    return [clip for clip in recordings if clip.split == "train" and not asked & {*_keys(clip)}]


def _keys(clip: Recording) -> SoundKeys:
    return sound_keys(clip.samples, None if clip.held_out == "take" else clip.recording)


def recordings_sha256(recordings: Sequence[Recording]) -> str:
    """One hash over what suites know of recordings, the same for any format of equal samples."""
    digest = hashlib.sha256()
    for recording in recordings:
        facts = vars(recording) | {"samples": None}
        digest.update(json.dumps(facts, sort_keys=True).encode())
        digest.update(np.ascontiguousarray(recording.samples, np.float32).tobytes())
    return digest.hexdigest()
