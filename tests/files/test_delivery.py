"""Loudness and true peak by another meter, rates, channels, ends; what cannot be is told."""

from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.files.audio import read_audio
from audiogen_jax.files.audio_encoding import encode_audio
from audiogen_jax.files.delivery import Delivered, Delivery
from audiogen_jax.files.loudness import limited, true_peaks
from tests.loudness_meter import Reading, measure

CLIPS = Path(__file__).parents[1] / "clips"
RATE = 16000
RNG = np.random.default_rng(0)
NOISE = 0.05 * RNG.standard_normal(RATE).astype(np.float32)


def by_another_meter(made: Delivered) -> Reading:
    return measure(encode_audio(made.samples, made.sample_rate, ".wav").contents)


@pytest.mark.parametrize(
    ("name", "delivery"),
    [
        ("esc10/dog/1-100032-A.flac", Delivery(-16, -1)),
        ("esc10/rooster/2-71162-A.flac", Delivery(-23, -1, 48000, 2)),
        ("sfx_cc/soundfx/alarm1.flac", Delivery(-16, -2, 44100)),
    ],
)
def test_levels_by_another_meter(name: str, delivery: Delivery):
    audio = read_audio(CLIPS / name, None, None)
    made = delivery.apply(audio.samples, audio.sample_rate)
    read = by_another_meter(made)
    assert abs(read.loudness - delivery.loudness) < 0.5
    assert read.true_peak < delivery.true_peak
    assert made.loudness == pytest.approx(read.loudness, abs=0.3)
    assert made.true_peak == pytest.approx(read.true_peak, abs=0.3)
    assert made.sample_rate == (delivery.sample_rate or audio.sample_rate)
    assert made.samples.shape[1] == (delivery.channels or 1)


def test_peaks_between_the_samples_are_seen():
    # A quarter of the rate, 45 degrees off: samples are 3 dB below the peaks between them.
    tone = np.sin(np.pi / 2 * np.arange(4000) + np.pi / 4).astype(np.float32)[:, None]
    tone *= np.hanning(4000).astype(np.float32)[:, None]
    assert true_peaks(tone, RATE).max() == pytest.approx(1.0, abs=0.01)
    assert np.abs(tone).max() < 0.71
    quiet = limited(tone, RATE, 0.5)
    assert true_peaks(quiet, RATE).max() <= 0.5001
    assert limited(tone, RATE, 1.1) is tone


def test_a_peak_alone_is_no_reason_to_limit():
    burst = NOISE.copy()
    burst[8000] = 0.99
    made = Delivery(true_peak=-6).apply(burst, RATE)
    gain = made.samples[:, 0] / burst
    np.testing.assert_allclose(gain, gain[0], rtol=1e-5)
    assert made.true_peak < -6 and made.changes == (
        f"{20 * np.log10(1 / gain[0]):.1f} dB quieter for a true peak of -6 dBTP",
    )
    assert Delivery(true_peak=-6).apply(NOISE, RATE).changes == ()


def test_nothing_asked_nothing_done():
    made = Delivery().apply(NOISE, RATE)
    np.testing.assert_array_equal(made.samples[:, 0], NOISE)
    assert made.changes == () and made.loudness is None and Delivery().settings == {}


def test_what_the_limiter_does_not_reach_is_told():
    click = np.zeros(2 * RATE, np.float32)
    click[::4000] = 0.5
    made = Delivery(-5, -1).apply(click, RATE)
    assert made.loudness < -6 and made.true_peak < -1
    assert "LU from -5 LUFS, as the limiter takes at most 24 dB" in made.changes[-1]


def test_silence_and_what_is_short():
    made = Delivery(-16).apply(np.zeros(RATE, np.float32), RATE)
    assert made.changes == ("silent: it has no level to set",) and not made.samples.any()
    made = Delivery(-16).apply(NOISE[:1600], RATE)
    assert made.changes[-1] == "its loudness is that of the clip repeated: it is below 400 ms"
    assert made.loudness == pytest.approx(-16, abs=0.1)
    whole = Delivery(-16).apply(np.tile(NOISE[:1600], 10), RATE)
    assert whole.samples.std() == pytest.approx(made.samples.std(), rel=0.05)
    hiss = (1e-4 * NOISE / NOISE.max()).astype(np.float32) / 16  # no sound, as files have it
    assert Delivery(-16).apply(hiss, RATE).changes == ("silent: it has no level to set",)
    faint = Delivery(-16).apply(1e-4 * NOISE, RATE)  # below the gate of -70 LUFS before
    assert by_another_meter(faint).loudness == pytest.approx(-16, abs=0.5)


def test_ends_are_faded():
    made = Delivery(fade=0.01).apply(np.ones((RATE, 2), np.float32), RATE)
    assert made.samples[0].max() == made.samples[-1].max() == 0
    assert (np.diff(made.samples[:160, 0]) >= 0).all() and made.samples[160:-160].min() == 1
    short = Delivery(fade=1.0).apply(np.ones(100, np.float32), RATE)
    assert short.changes == ("faded over 0.003125 s at either end",)


@pytest.mark.parametrize("kind", ["noise", "bass", "limited"])
def test_a_loop_has_no_seam(kind: str):
    clip = np.cumsum(RNG.standard_normal(2 * RATE)).astype(np.float32)
    clip = 0.5 * clip / np.abs(clip).max() if kind == "bass" else np.tile(NOISE, 2)
    delivery = Delivery(-10, -1, loop=0.25) if kind == "limited" else Delivery(loop=0.25)
    made = delivery.apply(clip, RATE)
    assert len(made.samples) == len(clip) - 4000
    steps = np.abs(np.diff(made.samples[:, 0]))
    seam = abs(made.samples[0, 0] - made.samples[-1, 0])
    assert seam <= np.quantile(steps, 0.99)
    assert true_peaks(made.samples, RATE, loops=True).max() < 1.01
    before = np.abs(clip[0] - clip[-1])
    assert kind != "bass" or before > 20 * seam  # as it was, it would click
    # The level holds through the crossfade: what is mixed is not alike.
    if kind == "noise":
        level = made.samples[:4000].std() / made.samples[4000:].std()
        assert level == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"loudness": 3.0}, "loudness=3.0: expected a number from -70 to 0"),
        ({"loudness": float("nan")}, "loudness=nan: expected"),
        ({"true_peak": 1}, "true_peak=1: expected"),
        ({"sample_rate": 44100.0}, "sample_rate=44100.0: expected a whole number"),
        ({"channels": 3}, "channels=3: expected a whole number from 1 to 2"),
        ({"fade": True}, "fade=True: expected"),
        ({"fade": 0.1, "loop": 1}, "a loop has no ends to fade"),
    ],
)
def test_wrong_settings_are_named(fields: dict, message: str):
    with pytest.raises(ValueError, match=message):
        Delivery(**fields)


def test_wrong_audio_is_named():
    for audio, message in (
        (np.array([0.0, np.nan], np.float32), "NaN"),
        (np.zeros((0, 1), np.float32), "shape"),
        (np.zeros(9, np.int16), "expected floats"),
        (np.ones((9, 6), np.float32), "channels=2 of a clip of 6: only mono is repeated"),
        (np.full(RATE, 3e38, np.float32), "too large for their peak"),
    ):
        with pytest.raises(ValueError, match=message):
            Delivery(-16, channels=2).apply(audio, RATE)
    with pytest.raises(ValueError, match="shorter than two crossfades"):
        Delivery(loop=1.0).apply(NOISE, RATE)
    with pytest.raises(ValueError, match="loudness at 2000 Hz: it is measured from 8000 Hz on"):
        Delivery(-16).apply(NOISE, 2000)
    with pytest.raises(ValueError, match="loudness of 7 channels: it is measured of 5.1 at most"):
        Delivery(-16).check(1.0, RATE, 7)


def test_low_frequencies_of_surround_do_not_count():
    surround = np.repeat(NOISE[:, None], 6, axis=1)
    surround[:, 3] = 0.5 * np.sin(0.02 * np.arange(RATE))
    made = Delivery(-23).apply(surround, RATE)
    assert made.samples.shape == (RATE, 6)
    flac = encode_audio(made.samples, RATE, ".flac").contents  # of which 6 channels are 5.1
    assert measure(flac).loudness == pytest.approx(-23, abs=0.3)


def test_48_khz_from_16():
    made = Delivery(sample_rate=48000, channels=2).apply(NOISE, RATE)
    assert made.samples.shape == (48000, 2)
    assert made.changes == ("repeated mono to 2 channels", "resampled 16000 Hz to 48000 Hz")
