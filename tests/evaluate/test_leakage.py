"""Sounds on both sides of a split are found, by their samples and by what the manifest says."""

import json

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.evaluate.leakage import numbered_sounds, some_of, sound_keys
from audiogen_jax.evaluate.recordings import heard_in_training, read_recordings, teaching

RATE = 8000
NOISE = np.random.default_rng(0).integers(-9999, 9999, (6, 800), np.int16)


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=3), max_size=12))
def test_clips_that_are_linked_have_one_number(keys):
    numbers = numbered_sounds([tuple(each) for each in keys])
    linked = {frozenset([row]) for row in range(len(keys))}
    for key in "abcdefgh":  # the plain way: sets that are merged
        with_key = [group for group in linked if any(key in keys[row] for row in group)]
        linked = {*linked} - {*with_key} | ({frozenset().union(*with_key)} if with_key else set())
    for group in linked:
        assert len({numbers[row] for row in group}) == 1
    assert len(set(numbers.tolist())) == len(linked)


def test_silence_is_like_no_other():
    assert sound_keys(np.zeros(8, np.float32), None) == ()
    assert some_of([*"abcde"]) == "a, b, c and 2 others" and some_of(["a"]) == "a"


def manifest(folder, rows):
    """Rows of (id, number of the noise, split, facts), in formats that hold the same samples."""
    lines = []
    for number, (name, sound, split, facts) in enumerate(rows):
        path = folder / f"{name}.{('wav', 'flac')[number % 2]}"
        soundfile.write(path, NOISE[sound], RATE)
        row = {"audio_id": name, "path": path.name, "duration": 0.1, "split": split, "sfx": "rain"}
        lines.append(json.dumps({**row, **facts}))
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    return folder / "manifest.jsonl"


def test_validation_clips_that_training_has(tmp_path):
    cut = {"recording": "long"}
    path = manifest(
        tmp_path,
        [
            ("a", 0, "train", {}),
            ("copy", 0, "val", {"held_out": "take"}),
            ("b", 1, "train", cut),
            ("part", 2, "val", cut),
            ("take", 3, "val", {**cut, "held_out": "take"}),
            ("c", 4, "train", {}),
            ("new", 5, "val", {}),
        ],
    )
    with pytest.warns(UserWarning, match=r"2 clips of its split val .* \(copy, part\)"):
        recordings = read_recordings(path, RATE)
    assert [clip.audio_id for clip in heard_in_training(recordings)] == ["copy", "part"]
    assert [clip.audio_id for clip in teaching(recordings)] == ["c"]
