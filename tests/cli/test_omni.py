"""Audio-Omni from the command line: words, edits, its codec."""

import numpy as np
import pytest
import soundfile

from audiogen_jax.files.provenance import read_provenance
from tests import tiny_omni
from tests.films import write_video


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_omni.write_checkpoint(tmp_path_factory.mktemp("cli") / "omni")


@pytest.fixture
def noise(tmp_path):
    """A fifth of a second of stereo noise at 44101 Hz."""
    path = tmp_path / "in.wav"
    samples = 0.1 * np.random.default_rng(0).standard_normal((8820, 2))
    soundfile.write(path, samples, 44101, "FLOAT")
    return path


def test_edit(audiogen, checkpoint, noise):
    options = "--what", "rain", "--steps", 2, "--checkpoint", checkpoint
    code, out, err = audiogen("edit", "remove", noise, *options)
    assert code == 0, err
    assert "in_remove.wav: 0.20 s at 44101 Hz" in out
    samples, rate = soundfile.read(noise.with_name("in_remove.wav"))
    assert samples.shape == (8820, 2) and rate == 44101
    record = read_provenance(noise.with_name("in_remove.wav"))
    assert (record["action"], record["statement"]) == ("edit", "audio edited with AI")
    assert record["checkpoint"] == checkpoint.name and record["options"]["steps"] == 2
    code, _, err = audiogen("edit", "remove", noise, *options)
    assert code == 2 and "exists" in err
    code, _, err = audiogen("edit", "restyle", noise, *options, "-o", "other.wav")
    assert code == 2 and "`to` for restyle" in err and not noise.with_name("other.wav").exists()


def test_transcript(audiogen, checkpoint, noise):
    options = "--steps", 2, "--checkpoint", checkpoint, "-o", "said.wav"
    code, out, err = audiogen("generate", "--transcript", "Hello", *options)
    assert code == 0 and out.endswith("seed 0, Hello\n"), err
    voice = "--voice", noise, "--voice-text", "Good day", "--overwrite"
    code, out, err = audiogen("generate", "--transcript", "Hello", *voice, *options)
    assert code == 0, err
    heard = round(0.6 * tiny_omni.CONFIG.reference_samples)
    longest = tiny_omni.CONFIG.window * tiny_omni.CONFIG.downsampling_ratio
    assert len(soundfile.read("said.wav")[0]) == longest - heard


def test_video(audiogen, checkpoint, tmp_path):
    film = write_video(tmp_path / "portrait.mp4", np.arange(5) / 25, height=96, width=32)
    options = "--steps", 1, "--checkpoint", checkpoint, "-o", "film.wav"
    code, out, err = audiogen("generate", "--video", film, *options)
    assert code == 0 and "film.wav: 0.20 s at 8000 Hz" in out, err
    assert soundfile.read("film.wav")[0].shape == (1600, 2)
    film.write_bytes(film.read_bytes()[:300])
    code, _, err = audiogen("generate", "--video", film, *options, "--overwrite")
    assert code == 2 and "portrait.mp4" in err and "\n" not in err.strip()
    assert soundfile.read("film.wav")[0].shape == (1600, 2)  # what was there before


def test_codec_of_the_generator(audiogen, checkpoint, noise):
    code, out, err = audiogen("encode", noise, "--checkpoint", checkpoint, "-o", "z.npz")
    assert code == 0 and "50 frames x 4 channels" in out, err
    code, _, err = audiogen("decode", "z.npz", "--checkpoint", checkpoint, "-o", "back.wav")
    assert code == 0, err
    samples, rate = soundfile.read("back.wav")
    assert samples.shape == (1600, 2) and rate == 8000
    code, _, err = audiogen("reconstruct", noise, "--checkpoint", checkpoint, "-o", "same.wav")
    assert code == 0, err
    np.testing.assert_array_equal(soundfile.read("same.wav")[0], samples)


def test_convert(audiogen, checkpoint):
    code, out, err = audiogen("convert", checkpoint, "copy", "--dtype", "bfloat16")
    assert code == 0, err
    options = "--transcript", "Hello", "--steps", 2, "-o", "said.wav"
    code, _, err = audiogen("generate", "--checkpoint", "copy", *options)
    assert code == 0, err
