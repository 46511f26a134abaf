import numpy as np
import pytest
import soundfile

from audiogen_jax.input.audio_cache import AudioCache

TONE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)


@pytest.fixture
def write(tmp_path):
    def write(samples, rate=16000, name="clip.flac"):
        soundfile.write(tmp_path / name, samples, rate)
        return tmp_path / name

    return write


def test_reads_the_samples_of_the_file(write):
    clip = AudioCache(16000, 1 << 20).load(write(TONE))
    assert clip.dtype == np.int16
    # The tone begins with one exact zero, which counts as silence.
    np.testing.assert_array_equal(clip, np.rint(TONE * 32768).astype(np.int16)[1:])


def test_digital_silence_at_the_ends_is_cut(write):
    padded = np.concatenate([np.zeros(3000), TONE[1:], np.zeros(40000)])
    assert len(AudioCache(16000, 1 << 20).load(write(padded))) == 15999


def test_other_rates_and_channels_are_converted(write):
    stereo = np.stack([TONE, np.zeros_like(TONE)], axis=1)
    clip = AudioCache(8000, 1 << 20).load(write(stereo))
    assert abs(len(clip) - 8000) <= 2
    assert np.abs(clip).max() / 32768 == pytest.approx(0.25, rel=0.02)


def test_the_budget_bounds_what_is_kept(write):
    first, second = write(TONE, name="a.flac"), write(TONE, name="b.flac")
    cache = AudioCache(16000, 40_000)
    kept, passed = cache.load(first), cache.load(second)
    assert cache.load(first) is kept
    assert cache.load(second) is not passed


def test_bad_files_are_named(write, tmp_path):
    cache = AudioCache(16000, 1 << 20)
    with pytest.raises(FileNotFoundError, match="nothing.flac"):
        cache.load(tmp_path / "nothing.flac")
    (tmp_path / "text.flac").write_text("not audio")
    with pytest.raises(ValueError, match="text.flac is not audio"):
        cache.load(tmp_path / "text.flac")
    with pytest.raises(ValueError, match="silent.flac is silent throughout"):
        cache.load(write(np.zeros(1000), name="silent.flac"))


def test_a_file_cut_short_is_named(write, tmp_path):
    path = write(np.random.default_rng(0).uniform(-0.5, 0.5, 48000))
    path.write_bytes(path.read_bytes()[:40_000])
    with pytest.raises(ValueError, match="clip.flac"):
        AudioCache(16000, 1 << 20).load(path)
