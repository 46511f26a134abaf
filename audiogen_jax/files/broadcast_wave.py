"""Broadcast Wave: chunks of a WAV file that say what it is, whence it comes, and what is where.

`bext` is EBU Tech 3285 version 2, `iXML` its specification 2.10; `LIST INFO`, `cue ` and
`LIST adtl` are Microsoft's (Multimedia Programming Interface 1.0). Who plays the sound skips them.
"""

import io
import itertools
import os
import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

_UNSET = 0x7FFF
"""Of a level that `bext` does not say."""
_UNKNOWN = 0xFFFFFFFF
"""Size of samples that a pipe wrote, or that `ds64` tells (EBU Tech 3306)."""
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DATED = (b"PEAK",)
"""Chunks with the time of writing: the same clip would be another file."""


class Chunk(NamedTuple):
    """A piece of a RIFF file.

    Attributes:
      id: four characters.
      body: what it holds, without the padding to an even size.
    """

    id: bytes
    body: bytes

    def packed(self) -> bytes:
        """The chunk as it stands in a file."""
        odd = len(self.body) % 2
        return struct.pack("<4sI", self.id, len(self.body)) + self.body + b"\0" * odd


class Cue(NamedTuple):
    """A marked stretch of a file.

    Attributes:
      start, length: samples.
      label: what sounds there.
    """

    start: int
    length: int
    label: str


class Broadcast(NamedTuple):
    """What `bext` says.

    Attributes:
      description: of the sound; 256 characters of ASCII are kept.
      originator: who made it, 32 characters.
      reference: its name there, 32 characters.
      history: how it was coded, in lines (EBU R 98).
      date, time: of its making, as in "2026-01-31" and "12:30:00"; empty where they are not told.
      time_reference: first sample, counted from midnight.
      loudness: LUFS, where it is known.
      true_peak: dBTP, where it is known.
    """

    description: str
    originator: str
    reference: str
    history: str
    date: str = ""
    time: str = ""
    time_reference: int = 0
    loudness: float | None = None
    true_peak: float | None = None

    def chunk(self) -> Chunk:
        """As `bext`."""
        levels = (_level(self.loudness), _UNSET, _level(self.true_peak), _UNSET, _UNSET)
        head = struct.pack(
            "<256s32s32s10s8sQH64s5h180s",
            _ascii(self.description),
            _ascii(self.originator),
            _ascii(self.reference),
            _ascii(self.date),
            _ascii(self.time),
            self.time_reference,
            2,
            b"",
            *levels,
            b"",
        )
        return Chunk(b"bext", head + _ascii(self.history))


def read_chunks(source: bytes | BinaryIO, ids: Collection[bytes] | None = None) -> Iterator[Chunk]:
    """The chunks of a WAV file, in their order.

    Args:
      source: contents of a file, or a file.
      ids: of the chunks to read; the others are passed over. All if None.

    Raises:
      ValueError: it is none, or is cut short.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    end, position = file.seek(0, os.SEEK_END), file.seek(0)
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
        raise ValueError(f"no WAV file: it begins with {head!r}")
    position, samples = 12, None
    while position + 8 <= end:
        file.seek(position)
        id, size = struct.unpack("<4sI", file.read(8))
        position += 8
        if id == b"data" and size == _UNKNOWN:
            size = end - position if samples is None else samples
        if position + size > end:
            raise ValueError(f"chunk {id!r} of {size} bytes is cut short")
        if id == b"ds64" and size >= 16:
            (samples,) = struct.unpack("<8xQ", file.read(16))
            file.seek(position)
        if ids is None or id in ids:
            yield Chunk(id, file.read(size))
        position += size + size % 2


def with_chunks(contents: bytes, before: Sequence[Chunk], behind: Sequence[Chunk]) -> bytes:
    """A WAV file with more chunks, before and behind its samples.

    A chunk that says when the file was written is left out.

    Raises:
      ValueError: no WAV file, or one of more than 4 GiB.
    """
    packed: list[bytes] = []
    for chunk in read_chunks(contents):
        if chunk.id == b"data":
            packed += [each.packed() for each in before]
        if chunk.id not in _DATED:
            packed.append(chunk.packed())
    packed += [each.packed() for each in behind]
    size = 4 + sum(map(len, packed))
    if size > 0xFFFFFFFF:
        raise ValueError(f"a WAV file of {size} bytes: at most 4 GiB, write FLAC")
    return b"".join([struct.pack("<4sI4s", b"RIFF", size, b"WAVE"), *packed])


def info_chunk(entries: Mapping[str, str]) -> Chunk:
    """`LIST INFO` of texts in UTF-8, by names such as "INAM" (title) and "ICMT" (comment)."""
    texts = (Chunk(name.encode(), _text(text)).packed() for name, text in entries.items())
    return Chunk(b"LIST", b"INFO" + b"".join(texts))


def read_info(source: bytes | BinaryIO) -> Iterator[tuple[str, str]]:
    """The names and texts of `LIST INFO` of a WAV file, in their order.

    Raises:
      ValueError: see `read_chunks`.
    """
    for chunk in read_chunks(source, (b"LIST",)):
        if chunk.body[:4] == b"INFO":
            inner = struct.pack("<4sI4s", b"RIFF", len(chunk.body), b"WAVE") + chunk.body[4:]
            for text in read_chunks(inner):
                value = text.body.split(b"\0", 1)[0]
                yield text.id.decode("latin-1"), value.decode("utf-8", "replace")


def cue_chunks(cues: Sequence[Cue]) -> list[Chunk]:
    """`cue ` with the stretches, `LIST adtl` with their labels and lengths; none for none."""
    if not cues:
        return []
    points, labels = [struct.pack("<I", len(cues))], [b"adtl"]
    for number, cue in enumerate(cues, 1):
        points.append(struct.pack("<II4sIII", number, cue.start, b"data", 0, 0, cue.start))
        name = struct.pack("<I", number)
        labels.append(Chunk(b"labl", name + _text(cue.label)).packed())
        region = struct.pack("<II4s4H", number, cue.length, b"rgn ", 0, 0, 0, 0)
        labels.append(Chunk(b"ltxt", region).packed())
    return [Chunk(b"cue ", b"".join(points)), Chunk(b"LIST", b"".join(labels))]


def ixml_chunk(
    broadcast: Broadcast, cues: Sequence[Cue], sample_rate: int, note: str, record: str
) -> Chunk:
    """`iXML`: time stamp and markers as editors of film sound read them.

    Args:
      broadcast: what `bext` says.
      cues: in samples.
      sample_rate: Hz.
      note: one line for people.
      record: the whole of it, for programs.
    """
    root = ET.Element("BWFXML")
    _add(root, "IXML_VERSION", "2.10")
    _add(root, "PROJECT", broadcast.originator)
    _add(root, "NOTE", note)
    speed, high, low = ET.SubElement(root, "SPEED"), *divmod(broadcast.time_reference, 1 << 32)
    _add(speed, "FILE_SAMPLE_RATE", sample_rate)
    _add(speed, "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI", high)
    _add(speed, "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO", low)
    _add(speed, "TIMESTAMP_SAMPLE_RATE", sample_rate)
    if cues:
        points = ET.SubElement(root, "SYNC_POINT_LIST")
        _add(points, "SYNC_POINT_COUNT", len(cues))
        for cue in cues:
            point, (high, low) = ET.SubElement(points, "SYNC_POINT"), divmod(cue.start, 1 << 32)
            _add(point, "SYNC_POINT_TYPE", "RELATIVE")
            _add(point, "SYNC_POINT_FUNCTION", "MARKER_GENERIC")
            _add(point, "SYNC_POINT_COMMENT", cue.label)
            _add(point, "SYNC_POINT_LOW", low)
            _add(point, "SYNC_POINT_HIGH", high)
            _add(point, "SYNC_POINT_EVENT_DURATION", cue.length)
    _add(root, "USER", record)
    return Chunk(b"iXML", ET.tostring(root, encoding="UTF-8", xml_declaration=True))


def first_sample(source: Path | BinaryIO) -> int:
    """The first sample of a recording, counted from midnight, as its `bext` says; 0 without one.

    Args:
      source: path, or open file.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            return first_sample(file)
    try:
        bodies = [chunk.body for chunk in itertools.islice(read_chunks(source, (b"bext",)), 1)]
    except ValueError:  # no WAV file, or cut before it
        bodies = []
    return struct.unpack_from("<Q", bodies[0], 338)[0] if bodies and len(bodies[0]) >= 346 else 0


def _add(parent: ET.Element, tag: str, value: object) -> None:
    ET.SubElement(parent, tag).text = _NO_XML.sub("?", str(value))


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")


def _text(text: str) -> bytes:
    return text.replace("\0", " ").encode("utf-8", "replace") + b"\0"


def _level(decibels: float | None) -> int:
    """Hundredths, as `bext` counts; unset where they are more than it holds."""
    if decibels is None or not abs(100 * decibels) < _UNSET:
        return _UNSET
    return round(100 * decibels)
