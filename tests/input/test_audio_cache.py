"""Clips for training: decoded as the command line decodes them, silence at the ends cut off."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiogen_jax.files.audio import read_audio, trim_silence
from audiogen_jax.input.audio_cache import AudioCache

TONE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
STEPS = {
    **dict.fromkeys(("PCM_S8", "PCM_U8", "DPCM_8"), 2.0**-7),
    **dict.fromkeys(("PCM_16", "ALAC_16", "DPCM_16"), 2.0**-15),
    **dict.fromkeys(("PCM_24", "ALAC_24"), 2.0**-19),  # SDS keeps 20 of 24 bits
    **dict.fromkeys(("PCM_32", "ALAC_32", "FLOAT", "DOUBLE"), 2.0**-24),
}
"""One step of the subtypes that keep samples to a number of bits; the others lose more."""


@pytest.fixture
def write(tmp_path):
    def write(samples, rate=16000, name="clip.flac", subtype=None, **options):
        soundfile.write(tmp_path / name, samples, rate, subtype, **options)
        return tmp_path / name

    return write


def test_reads_the_samples_of_the_file(write):
    clip = AudioCache(16000, 1 << 20).load(write(TONE))
    assert clip.dtype == np.float32
    # The tone begins with one exact zero, which counts as silence.
    expected = np.rint(TONE * 32768).astype(np.float32)[1:, None] / 32768
    np.testing.assert_array_equal(clip, expected)


def test_16_bit_samples_are_exact(write):
    every = np.arange(-32768, 32768, dtype=np.int16)
    clip = AudioCache(16000, 1 << 20).load(write(every, subtype="PCM_16", name="clip.wav"))
    np.testing.assert_array_equal(clip[:, 0], every.astype(np.float32) / 32768)


UNREADABLE = {
    *("RAW", "SD2"),  # without a header; in two files
    *(("AIFF", "DWVW_16"), ("AIFF", "DWVW_24"), ("CAF", "ALAC_20")),
}
"""Libsndfile 1.2 does not read what it writes there."""
UNWRITABLE = {
    *(("AIFF", "DWVW_12"), ("WAV", "MPEG_LAYER_III")),
    *(("MP3", "MPEG_LAYER_I"), ("MP3", "MPEG_LAYER_II")),
}
"""Libsndfile 1.2 reads these and does not write them."""
FILES = [
    (format, subtype)
    for format in soundfile.available_formats()
    for subtype in soundfile.available_subtypes(format)
    if not {format, (format, subtype)} & (UNREADABLE | UNWRITABLE)
]


@pytest.mark.parametrize(("format", "subtype"), FILES)
def test_every_format_gives_its_samples_in_training_and_on_the_command_line(
    write, format: str, subtype: str
):
    envelope = np.hanning(16000)[:, None]
    rng = np.random.default_rng(0)
    tones = [np.sin(2 * np.pi * hertz * np.arange(16000) / 16000) for hertz in (440, 441)]
    samples = envelope * (0.6 * np.stack(tones, axis=1) + rng.uniform(-0.02, 0.02, (16000, 2)))
    written = 0
    for channels in (1, 2):
        try:
            path = write(samples[:, :channels], name="clip", subtype=subtype, format=format)
        except soundfile.LibsndfileError:
            continue
        written += 1
        rate = soundfile.info(path).samplerate  # some formats have one alone
        audio = read_audio(path, rate, channels)
        clip = AudioCache(rate, 0, channels).load(path)
        np.testing.assert_array_equal(clip, trim_silence(audio.samples))
        expected = samples[:, :channels]
        if subtype in STEPS:
            np.testing.assert_allclose(audio.samples, expected, rtol=0, atol=2 * STEPS[subtype])
        else:
            read = audio.samples[: len(expected)]
            read = np.pad(read, ((0, len(expected) - len(read)), (0, 0)))
            for one, other in zip(read.T, expected.T, strict=True):
                assert _similarity(one, other) > 0.98
    assert written


def _similarity(first: np.ndarray, second: np.ndarray) -> float:
    """The largest correlation over shifts, as lossy formats may delay."""
    size = len(first) + len(second)
    spectrum = np.fft.rfft(first, size) * np.conj(np.fft.rfft(second, size))
    scale = np.linalg.norm(first) * np.linalg.norm(second)
    return float(np.fft.irfft(spectrum, size).max() / scale)


def test_float_files_keep_their_samples(write):
    """Read as 16-bit integers, libsndfile makes noise of them."""
    loud = (3.0 * TONE[1:]).astype(np.float32)
    clip = AudioCache(16000, 1 << 20).load(write(loud, name="a.wav", subtype="FLOAT"))
    np.testing.assert_array_equal(clip[:, 0], loud)


def test_loud_lossy_files_do_not_wrap(write):
    square = 0.999 * np.sign(np.sin(2 * np.pi * 440 * (np.arange(16000) + 0.5) / 16000))
    clip = AudioCache(16000, 1 << 20).load(write(square, name="a.ogg"))
    assert np.abs(clip).max() > 1.0
    assert (np.sign(clip[: len(square), 0]) == np.sign(square[: len(clip)])).mean() > 0.98


def test_digital_silence_at_the_ends_is_cut(write):
    padded = np.concatenate([np.zeros(3000), TONE[1:], np.zeros(40000)])
    assert len(AudioCache(16000, 1 << 20).load(write(padded))) == 15999


def test_other_rates_and_channels_are_converted(write):
    stereo = np.stack([TONE, np.zeros_like(TONE)], axis=1)
    clip = AudioCache(8000, 1 << 20).load(write(stereo))
    assert abs(len(clip) - 8000) <= 2 and clip.shape[1] == 1
    assert np.abs(clip).max() == pytest.approx(0.25, rel=0.02)
    clip = AudioCache(8000, 1 << 20, channels=2).load(write(stereo))
    assert np.abs(clip).max(axis=0) == pytest.approx([0.5, 0.0], rel=0.02)


def test_the_budget_bounds_what_is_kept(write):
    first, second = write(TONE, name="a.flac"), write(TONE, name="b.flac")
    cache = AudioCache(16000, 80_000)
    kept, passed = cache.load(first), cache.load(second)
    assert cache.load(first) is kept
    assert cache.load(second) is not passed


def test_bad_files_are_named(write, tmp_path: Path):
    cache = AudioCache(16000, 1 << 20)
    with pytest.raises(FileNotFoundError, match="nothing.flac"):
        cache.load(tmp_path / "nothing.flac")
    (tmp_path / "text.flac").write_text("not audio")
    with pytest.raises(ValueError, match="text.flac is not audio .*; restore the file"):
        cache.load(tmp_path / "text.flac")
    with pytest.raises(ValueError, match="silent.flac is silent throughout"):
        cache.load(write(np.zeros(1000), name="silent.flac"))
    with pytest.raises(ValueError, match="nan.wav holds NaN or infinite"):
        cache.load(write(np.append(TONE, np.nan), name="nan.wav", subtype="FLOAT"))


def test_a_file_cut_short_is_named(write):
    path = write(np.random.default_rng(0).uniform(-0.5, 0.5, 48000))
    path.write_bytes(path.read_bytes()[:40_000])
    with pytest.raises(ValueError, match="clip.flac"):
        AudioCache(16000, 1 << 20).load(path)
