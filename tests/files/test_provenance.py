"""What damaged files say of their making: the whole of it, nothing, or one clear line."""

import io
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.files import broadcast_wave
from audiogen_jax.files.export import export
from audiogen_jax.files.provenance import MadeWith, Provenance, read_provenance

RATE = 16000
NOISE = (0.1 * np.random.default_rng(0).standard_normal(2000)).astype(np.float32)
MADE = Provenance("generate", MadeWith("nano", "0f" * 32), "<|caption|> rain " * 20, seed=7)


def damaged(whole: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """A WAV file with every size made false in turn, cut anywhere, and with bytes of its headers
    changed."""
    places = [4, *(whole.index(id) + 4 for id in (b"fmt ", b"bext", b"data", b"LIST", b"ICMT"))]
    for place in (*places, whole.index(b"iXML") + 4):
        (size,) = struct.unpack_from("<I", whole, place)
        for false in (0, 1, size - 1, size + 1, size // 2, 1 << 31, 0xFFFFFFFE, 0xFFFFFFFF):
            yield whole[:place] + struct.pack("<I", false) + whole[place + 4 :]
    yield from (whole[:count] for count in rng.integers(0, len(whole), 60))
    headers = [n for n in range(len(whole)) if not 700 < n < whole.index(b"LIST") - 8]
    for place in rng.choice(headers, 200):
        changed = bytearray(whole)
        changed[place] = rng.integers(256)
        yield bytes(changed)


def test_wav_files_with_false_sizes_are_read_or_named(tmp_path: Path):
    """Never as another record, and never as the file of somebody else if ours is to be seen."""
    made = export(NOISE, RATE, ".wav", MADE, time_reference=7)
    path, answers = tmp_path / "a.wav", Counter()
    for contents in damaged(made.contents, np.random.default_rng(0)):
        path.write_bytes(contents)
        try:
            record = read_provenance(path)
        except ValueError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
            record = "named"
        if isinstance(record, dict) and record != made.record:
            assert sum(a != b for a, b in zip(contents, made.contents, strict=True)) == 1
            record = "a letter of it"
        answers["whole" if isinstance(record, dict) else str(record)] += 1
        assert 0 <= broadcast_wave.first_sample(path) < 1 << 64
    assert min(answers[kind] for kind in ("whole", "named", "None")) > 3, answers


def test_wav_files_longer_than_their_sizes_say(tmp_path: Path):
    """As pipes write them, and as those over 4 GB are: RF64 with its sizes in ds64."""
    data = b"data" + struct.pack("<I", 0xFFFFFFFF) + bytes(100)
    info = broadcast_wave.info_chunk({"ICMT": '{"digitalSourceType": "x"}'}).packed()
    bext = broadcast_wave.Broadcast("", "", "", "", time_reference=9).chunk().packed()
    ds64 = broadcast_wave.Chunk(b"ds64", struct.pack("<QQQI", 0, 100, 50, 0)).packed()
    for contents, expected in (
        (b"RIFF\xff\xff\xff\xffWAVE" + bext + info + data, 9),
        (b"RF64\xff\xff\xff\xffWAVE" + ds64 + data + info + bext, 9),
        (b"RIFF\xff\xff\xff\xffWAVE" + info + data + bext, 0),
    ):
        (tmp_path / "a.wav").write_bytes(contents)
        assert read_provenance(tmp_path / "a.wav") == {"digitalSourceType": "x"}
        assert broadcast_wave.first_sample(tmp_path / "a.wav") == expected
    short = broadcast_wave.Chunk(b"bext", bytes(300)).packed() + b"next" + struct.pack("<I", 99)
    assert broadcast_wave.first_sample(io.BytesIO(b"RIFF    WAVE" + short + bytes(99))) == 0


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3"])
def test_damaged_files_of_other_formats_are_read_or_named(tmp_path: Path, suffix: str):
    whole, rng = export(NOISE, RATE, suffix, MADE).contents, np.random.default_rng(0)
    path = tmp_path / f"a{suffix}"
    for place in rng.integers(0, 1500, 100):
        cut = rng.random() < 0.3
        path.write_bytes(whole[:place] if cut else whole[:place] + b"?" + whole[place + 1 :])
        try:
            assert read_provenance(path) is None or not cut or place > 500
        except ValueError as error:
            assert str(error).startswith(str(path))
