"""STFT, inverse STFT and mel front ends against numpy and librosa."""

import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from audiogen_jax.ops.istft import istft_same, overlap_add
from audiogen_jax.ops.mel import mel_decibels, mel_filters, mel_spectrogram
from audiogen_jax.ops.stft import reflect_pad, stft

RNG = np.random.default_rng(0)


def test_stft_is_librosas():
    audio = RNG.normal(size=(2, 3001)).astype(np.float32)
    expected = librosa.stft(audio, n_fft=512, hop_length=160, pad_mode="reflect")
    np.testing.assert_allclose(
        stft(jnp.asarray(audio), 512, 160), expected.swapaxes(1, 2), atol=2e-4
    )


@pytest.mark.parametrize("n_fft,n_mels", [(512, 64), (1024, 128)])
def test_filters_are_librosas_htk_filters(n_fft, n_mels):
    expected = librosa.filters.mel(sr=16000, n_fft=n_fft, n_mels=n_mels, htk=True, norm=None)
    np.testing.assert_allclose(mel_filters(n_fft, n_mels), expected.T, atol=1e-6)


def test_a_shorter_clip_is_mirrored_at_its_own_end():
    audio = jnp.array([[1, 2, 3, 4, jnp.nan, jnp.nan], [1, 2, 3, 4, 5, 6]])
    padded = reflect_pad(audio, 2, jnp.array([4, 6]))
    np.testing.assert_array_equal(padded[0], [3, 2, 1, 2, 3, 4, 3, 2, 0, 0])
    np.testing.assert_array_equal(padded[1], [3, 2, 1, 2, 3, 4, 5, 6, 5, 4])


def test_inverse_recovers_a_signal_away_from_its_ends():
    audio = RNG.normal(size=(1, 12800)).astype(np.float32)
    # Frames of "same" padding are centred half a hop later than centred frames.
    shifted = np.pad(audio, ((0, 0), (480, 480)))
    frames = np.stack([shifted[:, i * 320 : i * 320 + 1280] for i in range(40)], 1)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1280) / 1280)
    restored = istft_same(jnp.asarray(np.fft.rfft(frames * window)), 1280, 320)
    np.testing.assert_allclose(restored, audio, atol=1e-4)


def test_imaginary_parts_of_dc_and_nyquist_are_ignored():
    spectrum = RNG.normal(size=(1, 5, 641)) + 1j * RNG.normal(size=(1, 5, 641))
    real_ends = spectrum.copy()
    real_ends[..., [0, -1]] = real_ends[..., [0, -1]].real
    expected = istft_same(jnp.asarray(real_ends), 1280, 320)
    np.testing.assert_array_equal(istft_same(jnp.asarray(spectrum), 1280, 320), expected)


def test_overlap_add_is_the_sum_of_shifted_frames():
    frames = RNG.normal(size=(2, 3, 8)).astype(np.float32)
    expected = np.zeros((2, 12))
    for i in range(3):
        expected[:, 2 * i : 2 * i + 8] += frames[:, i]
    np.testing.assert_allclose(overlap_add(jnp.asarray(frames), 2), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="hop=3 must divide the frame length 8"):
        overlap_add(jnp.asarray(frames), 3)


def test_the_decibel_floor_is_each_clips_own_unless_asked():
    loud = RNG.normal(size=4000).astype(np.float32)
    audio = jnp.stack([loud, 1e-5 * loud]).at[:, 2000:].set(0)
    own = mel_decibels(audio)
    assert np.allclose(own[0].max() - own[0].min(), 120, atol=1e-3)
    assert own[1].min() < own[0].min() - 10
    shared = mel_decibels(audio, floor_over_batch=True)
    assert shared.min() == pytest.approx(float(shared.max()) - 120, abs=1e-3)


def test_bad_arguments():
    with pytest.raises(ValueError, match="power=3"):
        mel_spectrogram(jnp.zeros((1, 999)), n_fft=256, hop=64, n_mels=20, power=3)
    with pytest.raises(ValueError, match="more than 512 samples"):
        mel_spectrogram(jnp.zeros((1, 512)), n_fft=1024, hop=160, n_mels=20, power=1)
