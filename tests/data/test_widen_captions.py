"""Clips of a training get many captions; what they were called and what is held out stays."""

import json

from data.widen_captions import CAPTIONS, GIVEN, main, widened
from data.wording import wordings

DOG = {
    "audio_id": "esc10/dog/1",
    "path": "dog.flac",
    "split": "train",
    "label": "dog",
    "caption": ["A dog barking.", "The sound of a dog barking."],
    "sfx": ["a dog barking", "dog barks"],
}
SEVEN = {
    "audio_id": "fsdd/george/7",
    "path": "seven.flac",
    "split": "train",
    "label": "seven",
    "caption": "A woman says the word \"seven\".",
    "speech": ["a woman speaking"],
    "asr": "seven",
}  # fmt: skip


def test_sounds():
    row = widened(DOG, 0)
    assert row == widened(DOG, 0) != widened(DOG, 1)
    assert row["caption"][:GIVEN:2] == [DOG["caption"][0]] * (GIVEN // 2)
    assert len(row["caption"]) == len(row["sfx"]) == GIVEN + CAPTIONS
    assert set(row["sfx"][GIVEN:]) <= set(wordings("sounds")["dog"]["phrases"])
    assert len(set(row["caption"])) > CAPTIONS // 2


def test_voices_keep_their_words():
    row = widened(SEVEN, 0)
    assert row["asr"] == "seven"
    assert set(row["speech"][GIVEN:]) <= set(wordings("voices")["female"]["phrases"])
    spoken = [text for text in row["caption"][GIVEN:] if "seven" in text.lower() or "7" in text]
    assert 0.2 < len(spoken) / CAPTIONS < 0.8
    long = widened(SEVEN | {"asr": "printing in the only sense with which"}, 0)
    assert not any("printing" in text or "words words" in text for text in long["caption"][GIVEN:])


def test_what_is_held_out_and_what_has_no_wordings_stays():
    held_out = DOG | {"split": "val"}
    assert widened(held_out, 0) == held_out
    unnamed = DOG | {"label": "unheard of"}
    assert widened(unnamed, 0) == unnamed


def test_the_command(tmp_path, capsys):
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "sounds.jsonl").write_text(json.dumps(DOG) + "\n" + json.dumps(SEVEN) + "\n")
    main([str(folder / "sounds.jsonl"), "--out", str(tmp_path / "worded")])
    assert "2 of 2 clips have more captions" in capsys.readouterr().out
    first = json.loads((tmp_path / "worded" / "sounds.jsonl").read_text().splitlines()[0])
    assert first["path"] == "../manifests/dog.flac"
