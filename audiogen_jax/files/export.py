"""The way out: every clip that leaves becomes a file here, delivered, marked and with its making.

`tests/files/test_exits.py` looks for others. What is exchanged inside of a pipeline, such as data
sets, is written by `files.audio.write_audio`.
"""

import dataclasses
import hashlib
import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.files.atomic import write_bytes
from audiogen_jax.files.audio import FORMATS, MAX_CHANNELS, check_audible
from audiogen_jax.files.audio_encoding import encode_audio
from audiogen_jax.files.broadcast_wave import (
    Broadcast,
    Chunk,
    Cue,
    cue_chunks,
    info_chunk,
    ixml_chunk,
    with_chunks,
)
from audiogen_jax.files.delivery import Delivered, Delivery
from audiogen_jax.files.lossy import LOSSY, encode_lossy, held_channels, held_rate
from audiogen_jax.files.marking import SIGNED, Marking
from audiogen_jax.files.provenance import Provenance, as_text, dated, reference, software
from audiogen_jax.timeline import Timeline
from audiogen_jax.types import as_float32

_BITS = {"PCM_16": 16, "PCM_24": 24, "FLOAT": 32}


class Exported(NamedTuple):
    """A file in memory.

    Attributes:
      contents: of the file.
      samples: float32 [n a] in it, but for `gain_db`, rounding and compression.
      sample_rate: Hz of it.
      changes: what was done to the clip, one phrase each.
      gain_db: 0, or below it the gain that fitted a peak over full scale.
      record: what the file says of its making; None where it says nothing.
    """

    contents: bytes
    samples: Float32[np.ndarray, "n a"]
    sample_rate: int
    changes: tuple[str, ...]
    gain_db: float
    record: dict[str, object] | None


def export(
    audio: Float[np.ndarray, "n ..."],
    sample_rate: int,
    suffix: str,
    provenance: Provenance,
    delivery: Delivery | None = None,
    marking: Marking | None = None,
    subtype: str = "PCM_16",
    time_reference: int = 0,
) -> Exported:
    """A clip as a file in memory, with what made it in its metadata.

    Args:
      audio: float [n] or [n a].
      sample_rate: Hz of it.
      suffix: ".wav", ".flac", ".mp3", ".ogg" (Vorbis) or ".opus".
      provenance: what made the clip; its timeline becomes markers of a WAV file.
      delivery: what is done to it before; nothing if None.
      marking: which marks it gets; metadata alone if None.
      subtype: of WAV and FLAC, see `write_audio`.
      time_reference: of WAV, the first sample counted from midnight, at the rate of `audio`.

    Raises:
      ValueError: another suffix, audio that cannot be delivered, or a mark that cannot be made.
    """
    delivery, marking = delivery or Delivery(), marking or Marking()
    check_suffix(Path(f"audio{suffix}"), marking, delivery)
    record = record_of(provenance, delivery)
    if marking.watermark:
        record["watermark"] = marking.watermark
    for marker in marking.markers:
        columns = np.asarray(audio, np.float32)
        columns = columns if columns.ndim == 2 else columns[:, None]
        audio = marker.mark_audio(columns, sample_rate, record)
    made = _held(delivery, suffix, sample_rate).apply(audio, sample_rate)
    tags = _tags(provenance, record) if marking.provenance else {}
    if suffix in LOSSY:
        peak = float(np.abs(made.samples).max())
        scaled = made.samples / np.float32(max(1.0, peak))
        contents = encode_lossy(scaled, made.sample_rate, suffix, tags)
        gain_db = -20 * float(np.log10(max(1.0, peak)))
    else:
        vorbis = tags if suffix == ".flac" else {}
        contents, gain_db = encode_audio(made.samples, made.sample_rate, suffix, subtype, vorbis)
    if suffix == ".wav":
        before: list[Chunk] = []
        behind: list[Chunk] = []
        if marking.provenance:
            first = time_reference * made.sample_rate // sample_rate
            first = first if first < 1 << 64 else 0  # more than `bext` holds: not a time of day
            before, behind = _chunks(provenance, record, made, first, subtype, delivery.loop)
        contents = with_chunks(contents, before, behind)
    for marker in marking.markers:
        contents = marker.mark_file(contents, suffix, record)
    said = record if marking.provenance else None
    return Exported(contents, made.samples, made.sample_rate, made.changes, gain_db, said)


def write_export(
    path: str | Path,
    audio: Float[np.ndarray, "n ..."],
    sample_rate: int,
    provenance: Provenance,
    delivery: Delivery | None = None,
    marking: Marking | None = None,
    subtype: str = "PCM_16",
    time_reference: int = 0,
) -> Exported:
    """Writes what `export` makes, and beside it `NAME.json` with what made it.

    Args:
      path: ends in a suffix of `export`; missing folders are made.
      audio, sample_rate, provenance, delivery, marking, subtype, time_reference: see `export`.

    Raises:
      ValueError: see `export`; a silent clip.
      OSError: a file cannot be written.
    """
    path = Path(path)
    check_audible(as_float32(audio, f"{path}: audio"), str(path))  # before it is made louder
    made = export(
        audio,
        sample_rate,
        path.suffix.lower(),
        provenance,
        delivery,
        marking,
        subtype,
        time_reference,
    )
    check_audible(made.samples, str(path))
    write_bytes(path, made.contents)
    if made.record is not None:
        text = json.dumps(_of_file(path, made), indent=2, ensure_ascii=False) + "\n"
        # Halves of characters, as of a name in another encoding, as JSON escapes them.
        write_bytes(beside(path), text.encode("utf-8", "backslashreplace"))
    if made.gain_db:
        warnings.warn(
            f"{path}: a peak of {np.abs(made.samples).max():.2f} is over full scale: the clip is "
            f"written {-made.gain_db:.1f} dB quieter",
            stacklevel=2,
        )
    return made


def check_suffix(path: Path, marking: Marking, delivery: Delivery | None = None) -> None:
    """Checks, before any work, that a file can be written in its format and with its marks.

    Raises:
      ValueError: no such format, a rate that it does not hold, a mark that is not installed or not
        made in it.
      OSError: a certificate cannot be read.
    """
    rate = None if delivery is None else delivery.sample_rate
    suffix = path.suffix.lower()
    if suffix not in (*FORMATS, *LOSSY):
        known = ", ".join((*FORMATS, *LOSSY))
        raise ValueError(f"{path}: cannot write {path.suffix!r} audio, expected one of {known}")
    if rate is not None and suffix in LOSSY and held_rate(suffix, rate) != rate:
        raise ValueError(
            f"sample_rate={rate}: {suffix} does not hold it, but {held_rate(suffix, rate)} Hz"
        )
    if marking.signs and suffix not in SIGNED:
        raise ValueError(f"{path}: C2PA signs {', '.join(SIGNED)} and no {suffix}")
    _ = marking.markers


def check_clip(
    suffix: str, delivery: Delivery, seconds: float, sample_rate: int, channels: int
) -> None:
    """Checks, before it is made, that a clip can be delivered in a format.

    Args:
      suffix: of `export`.
      delivery: what is done to the clip.
      seconds: of it.
      sample_rate: Hz of it.
      channels: of it.

    Raises:
      ValueError: see `Delivery.check`; or the format does not hold the rate or the channels.
    """
    delivery.check(seconds, sample_rate, channels)
    channels, rate = delivery.channels or channels, delivery.sample_rate or sample_rate
    most = held_channels(suffix) if suffix in LOSSY else MAX_CHANNELS
    if channels > most:
        raise ValueError(f"{suffix} holds no {channels} channels, but {most}: give channels=1")
    if suffix in FORMATS:
        encode_audio(np.zeros((1, channels), np.float32), rate, suffix)


def beside(path: Path) -> Path:
    """The JSON file of a file of audio."""
    return path.with_name(f"{path.name}.json")


def record_of(provenance: Provenance, delivery: Delivery) -> dict[str, object]:
    """What a file says of its making: what made the clip, and what was done to it."""
    settings = delivery.settings
    return provenance.record() | ({"delivery": settings} if settings else {})


def info_of(provenance: Provenance, record: Mapping[str, object]) -> Chunk:
    """What made a WAV file, for one that is sent while it is made; see `record_of`."""
    comment = as_text(record)
    return info_chunk({"INAM": _title(provenance), "ISFT": software(), "ICMT": comment})


def _held(delivery: Delivery, suffix: str, sample_rate: int) -> Delivery:
    """What is done to a clip for a format that does not hold every rate."""
    rate = delivery.sample_rate or sample_rate
    if suffix not in LOSSY or held_rate(suffix, rate) == rate:
        return delivery
    return dataclasses.replace(delivery, sample_rate=held_rate(suffix, rate))


def _of_file(path: Path, made: Exported) -> dict[str, object]:
    return {
        "file": path.name,
        "sha256": hashlib.sha256(made.contents).hexdigest(),
        "duration": len(made.samples) / made.sample_rate,
        "sample_rate": made.sample_rate,
        "changes": list(made.changes),
        **(made.record or {}),
    }


def _tags(provenance: Provenance, record: dict[str, object]) -> dict[str, str]:
    """By the names of soundfile, in ASCII; the comment holds all."""
    title = _title(provenance).encode("ascii", "replace").decode()
    return {"title": title, "software": software(), "comment": as_text(record)}


def _title(provenance: Provenance) -> str:
    try:
        caption = StructuredCaption.parse(provenance.prompt or "").caption
    except ValueError:  # of an edit
        caption = provenance.prompt or ""
    return f"{provenance.statement}: {caption}" if caption else provenance.statement


def _chunks(
    provenance: Provenance,
    record: dict[str, object],
    made: Delivered,
    first: int,
    subtype: str,
    loop: float,
) -> tuple[list[Chunk], list[Chunk]]:
    """Those of a WAV file that stand before the samples, and those behind."""
    rate, (count, channels) = made.sample_rate, made.samples.shape
    mode = {1: "mono", 2: "stereo"}.get(channels, "multi-channel")
    codec = re.sub(r"[,\s]+", " ", provenance.made_with.name)  # lines of fields with commas
    broadcast = Broadcast(
        _title(provenance),
        software(),
        reference(record),
        f"A=PCM,F={rate},W={_BITS[subtype]},M={mode},T={software()};{codec}\r\n",
        *dated(),
        first,
        made.loudness,
        made.true_peak,
    )
    cues = _cues(provenance.timeline, rate, count, round(loop * rate))
    ixml = ixml_chunk(broadcast, cues, rate, provenance.statement, as_text(record))
    return [broadcast.chunk()], [info_of(provenance, record), *cue_chunks(cues), ixml]


def _cues(timeline: Timeline, rate: int, count: int, crossfade: int) -> list[Cue]:
    """Where events are in a file; in a loop those of the crossfade sound at the beginning."""
    cues = []
    for event in timeline:
        start, end = round(event.start * rate), round(event.end * rate)
        if count <= start < count + crossfade:
            start, end = start - count, end - count
        if start < count:
            label = f"{event.view}: {event.text}" if event.text else event.view
            cues.append(Cue(start, min(end, count) - start, label))
    return cues
