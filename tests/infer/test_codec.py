"""The tokenizer facade: clips stand alone, shapes are few, bad input is named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.layout import inference_mesh


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint):
    return ag.load_tokenizer(tiny_checkpoint)


@pytest.fixture(scope="module")
def audio() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (3, 16000)).astype(np.float32)


def test_shapes(tokenizer, audio):
    latents = tokenizer.encode(audio)
    assert latents.shape == (3, 25, 16)
    assert tokenizer.decode(latents).shape == (3, 16000)
    assert (tokenizer.sample_rate, tokenizer.samples_per_latent) == (16000, 640)


def test_a_clip_does_not_depend_on_its_batch_or_padding(tokenizer, audio):
    lengths = np.array([16000, 7000, 12345])
    padded = np.where(
        np.arange(20000) < lengths[:, None], np.pad(audio, ((0, 0), (0, 4000))), np.nan
    )
    together = np.asarray(tokenizer.encode(padded, lengths))
    for row, length in enumerate(lengths):
        alone = np.asarray(tokenizer.encode(audio[row : row + 1, :length]))[0]
        frames = len(alone)
        np.testing.assert_allclose(together[row, :frames], alone, atol=2e-5)
        np.testing.assert_array_equal(together[row, frames:], 0)


def test_rows_are_split_over_devices(tiny_checkpoint, tokenizer, audio):
    mesh = inference_mesh(jax.local_devices()[:3])
    split = Codec.load(tiny_checkpoint, mesh=mesh)
    lengths = np.array([16000, 7000, 12345])
    latents = split.encode_split(audio, lengths)
    assert {shard.device for shard in latents.addressable_shards} == set(mesh.devices.flat)
    np.testing.assert_allclose(latents, tokenizer.encode(audio, lengths), atol=2e-5)
    with pytest.raises(ValueError, match="2 rows do not split over 3 devices"):
        split.encode_split(audio[:2], lengths[:2])


def test_release_mode_shares_one_floor_over_the_batch(tokenizer, audio):
    quiet = np.stack([audio[0] * 1e3, audio[0] * 1e-6])
    own = np.asarray(tokenizer.encode(quiet))[1]
    shared = np.asarray(tokenizer.encode(quiet, compat="release"))[1]
    assert np.abs(own - shared).max() > 1e-2


def test_decoding_each_clip_does_not_depend_on_the_padded_length(tokenizer, audio):
    latents = np.asarray(tokenizer.encode(audio))
    frames = np.array([25, 9, 1])
    short = tokenizer.decode_each(latents, frames)
    long = tokenizer.decode_each(np.pad(latents, ((0, 0), (0, 40), (0, 0)), mode="wrap"), frames)
    assert long.shape[1] > short.shape[1]
    for row, count in enumerate(frames):
        valid = slice(0, 640 * count)
        np.testing.assert_allclose(short[row, valid], long[row, valid], atol=1e-5)


def test_decoding_each_clip_matches_decode_away_from_its_end(tokenizer, audio):
    latents = np.asarray(tokenizer.encode(audio))
    each, whole = tokenizer.decode_each(latents, np.array([25] * 3)), tokenizer.decode(latents)
    inner = slice(0, 640 * 15)
    np.testing.assert_allclose(each[:, inner], np.asarray(whole)[:, inner], atol=1e-5)


@pytest.mark.parametrize(
    ("audio", "lengths", "message"),
    [
        (np.zeros(16000), None, r"shape \(16000,\): expected \[b n\]"),
        (np.zeros((0, 16000)), None, r"shape \(0, 16000\)"),
        (np.zeros((1, 512)), None, "at least 513"),
        (np.zeros((1, 0)), None, "at least 513"),
        (np.zeros((2, 1000)), [1000, 1001], "at most the 1000"),
        (np.zeros((2, 1000)), [1000], "one integer for each of 2 clips"),
        (np.zeros((2, 1000)), [1000.0, 900.0], "one integer for each of 2 clips"),
        (np.stack([np.zeros(1000), np.full(1000, np.nan)]), None, "clip 1 holds NaN"),
        (np.full((1, 1000), 1e300), None, "clip 0 holds NaN or infinite"),
        (0.5, None, r"audio of shape \(\): expected \[b n\]"),
        ([["a"]], None, "audio of type <U1: expected real floats"),
        ([[0.5], [0.5, 0.5]], None, "audio is no array of numbers"),
        (np.ones((1, 1000), np.complex64), None, "audio of type complex64: expected real floats"),
        (np.ones((1, 1000), bool), None, "audio of type bool: expected real floats"),
        *(
            (np.ones((1, 1000), dtype), None, rf"audio of type {dtype}: expected floats .* 32768")
            for dtype in ("int8", "uint8", "int16", "int32", "int64")
        ),
    ],
)
def test_bad_audio(tokenizer, audio, lengths, message: str):
    with pytest.raises(ValueError, match=message):
        tokenizer.encode(audio, lengths)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, jnp.bfloat16])
def test_audio_of_any_float_type(tokenizer, audio, dtype):
    stored = audio[:1].astype(dtype)
    latents = tokenizer.encode(stored.astype(np.float32))
    for given in (stored, jnp.asarray(stored), list(stored)):
        np.testing.assert_array_equal(tokenizer.encode(given), latents)


@pytest.mark.parametrize("count", [513, 1119, 15999, 16000, 16001])
def test_all_of_a_clip_is_encoded(tokenizer, audio, count: int):
    clip = np.concatenate([audio[0], audio[1]])[:count]
    latents = tokenizer.encode_clip(clip)
    assert isinstance(latents, np.ndarray) and len(latents) == -(-count // 640)
    padded = np.pad(clip, (0, -count % 640))
    np.testing.assert_allclose(latents, tokenizer.encode(padded[None])[0], atol=2e-5)
    clip[-600:] = 0
    assert np.abs(tokenizer.encode_clip(clip)[-1] - latents[-1]).max() > 1e-3
    for bad, message in ((clip[:512], "at least 513"), (clip[None], "shape"), (clip[0], "shape")):
        with pytest.raises(ValueError, match=message):
            tokenizer.encode_clip(bad)


@pytest.mark.parametrize("put", [np.asarray, jnp.asarray])
def test_latents_that_are_no_finite_floats(tokenizer, put):
    for value, message in (
        (1, "latents of type int32: expected"),
        (1j, "latents of type complex64: expected real floats"),
        (True, "latents of type bool: expected real floats"),
        (np.float32(np.nan), "NaN or infinite"),
    ):
        latents = np.full((1, 5, 16), value)
        latents = latents.astype({"i": "i4", "c": "c8"}.get(latents.dtype.kind, latents.dtype))
        with pytest.raises(ValueError, match=message):
            tokenizer.decode(put(latents))


@pytest.mark.parametrize("shape", [(16,), (25, 16), (1, 25, 15), (1, 0, 16)])
def test_bad_latents(tokenizer, shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"expected \[b t c\]"):
        tokenizer.decode(np.zeros(shape))


def test_unknown_compat(tokenizer, audio):
    with pytest.raises(ValueError, match="compat='old' must be None or 'release'"):
        tokenizer.encode(audio, compat="old")
