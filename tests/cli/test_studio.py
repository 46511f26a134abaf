"""Files for the studio from the command line: levels, takes, marks."""

import re
from pathlib import Path

import numpy as np
import soundfile

from audiogen_jax.files.provenance import read_provenance
from tests.loudness_meter import measure


def test_a_clip_for_the_studio(audiogen, tiny_checkpoint):
    arguments = ("generate", "--caption", "rain", "--env", "street", "--duration", "0.7")
    arguments += ("--steps", "2", "--checkpoint", tiny_checkpoint)
    studio = ("--loudness", "-16", "--true-peak", "-2", "--sample-rate", "48000", "--channels", "2")
    code, out, err = audiogen(*arguments, *studio, "-o", "a.wav")
    assert code == 0, err
    assert "a.wav: 0.70 s at 48000 Hz, seed 0" in out
    assert "a.wav: resampled 16000 Hz to 48000 Hz" in err and "to -16.0 LUFS" in err
    info = soundfile.info("a.wav")
    assert (info.samplerate, info.channels, info.frames) == (48000, 2, 33600)
    read = measure(Path("a.wav").read_bytes())
    assert abs(read.loudness + 16) < 0.5 and read.true_peak < -2
    asked = {"loudness": -16.0, "true_peak": -2.0, "sample_rate": 48000, "channels": 2}
    assert read_provenance("a.wav")["delivery"] == asked

    takes = ("--takes", "3", "--by", "unclipped", "--no-provenance")
    code, out, _ = audiogen(*arguments, *takes, "--keep", "2", "-o", "t.wav")
    assert code == 0 and {*map(str, Path().glob("t*"))} == {"t_1.wav", "t_2.wav"}
    assert read_provenance("t_1.wav") is None
    assert len(set(re.findall("take ([0-2])", out))) == 2
    code, _, err = audiogen(*arguments, *takes, "-o", "u.wav")
    assert code == 2 and "all 3 takes are written" in err
    code, _, err = audiogen(*arguments, "--takes", "2", "--keep", "1", "--by", "judge")
    assert code == 2 and "who chooses? Expected one of speech-quality, speech, unclipped" in err
    code, _, err = audiogen(*arguments, "--loop", "0.5", "-o", "l.wav")  # before it is made
    assert code == 2 and "a clip of 0.70 s is shorter than two crossfades" in err
    code, _, err = audiogen(*arguments, "--sample-rate", "44100", "-o", "l.opus")
    assert code == 2 and ".opus does not hold it, but 48000 Hz" in err
    code, _, err = audiogen(*arguments, "--watermark", "audioseal")
    assert code == 2 and "'audioseal' is not installed" in err
    Path("b.wav.json").write_text("mine")
    code, _, err = audiogen(*arguments, "-o", "b.wav")
    assert code == 2 and "b.wav.json exists" in err and Path("b.wav.json").read_text() == "mine"


def test_recordings_whose_edits_no_file_holds_are_refused_before_a_model_is_looked_for(audiogen):
    soundfile.write("wide.wav", np.full((800, 9), 0.1), 16000)
    soundfile.write("fast.wav", np.full(8000, 0.1), 768_000)
    nowhere = ("--checkpoint", "nowhere")
    for command, message in (
        (("edit", "remove", "wide.wav", "--what", "rain"), ".wav holds no 9 channels, but 8"),
        (("edit", "remove", "fast.wav", "--what", "rain", "-o", "a.flac"), "at 768000 Hz"),
        (("stems", "wide.wav"), ".wav holds no 9 channels, but 8"),
    ):
        code, _, err = audiogen(*command, *nowhere)
        assert code == 2 and message in err
    assert {path.name for path in Path().iterdir()} == {"wide.wav", "fast.wav"}
