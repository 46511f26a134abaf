import json
import random
from collections import Counter

import pytest

from audiogen_jax.caption import VIEWS, StructuredCaption
from audiogen_jax.files.jsonl import read_rows
from audiogen_jax.input.manifest import read_manifest
from data.build_manifest import build, main
from data.splits import DIGIT_SPEAKER, DIGIT_TAKES, check_no_leak, held_out
from data.views import views_of


def test_equal_inputs_give_equal_bytes(clips, sources, singles):
    # A sibling folder, so that the relative paths agree too.
    out = singles.parent.parent / "again"
    build(clips, out, sources)
    assert names(out) == names(singles.parent)
    for name in names(out):
        assert (out / name).read_bytes() == (singles.parent / name).read_bytes()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_rows_are_read_by_the_input_pipeline(singles):
    rows, records = read_rows(singles), read_manifest(singles)
    assert len(rows) == len(records) == 31
    for row, record in zip(rows, records, strict=True):
        assert record.path.is_file()
        assert record.split == row["split"]
        first = {view: phrasings[0] for view, phrasings in record.views.items()}
        assert StructuredCaption(**first).caption
        assert row["license"] and row["author"] and row["source_url"]


def test_categories_follow_from_the_views(singles):
    expected = {"speech": "S00", "words": "S00", "music": "0M0"}
    for row in read_rows(singles):
        assert row["category"] == expected.get(row["source"], "00A")
        assert [view for view in VIEWS[1:] if view in row] in (
            ["speech", "asr"],
            ["sfx"],
            ["music"],
            ["env"],
        )


def test_no_recording_or_speaker_is_in_both_splits(singles):
    rows = read_rows(singles)
    assert Counter(row["split"] for row in rows).keys() == {"train", "val"}
    for key in ("recording", "speaker"):
        sides = [{row[key] for row in rows if row["split"] == side} for side in ("train", "val")]
        assert not (sides[0] & sides[1]) - {None}
    assert {row["label"] for row in rows if row["source"] == "esc10" and row["split"] == "val"} == {
        "dog",
        "rain",
        "rooster",
    }


@pytest.mark.parametrize("key", ["recording", "speaker"])
def test_a_leak_is_found(singles, key):
    rows = read_rows(singles)
    held = next(row for row in rows if row["split"] == "val" and row[key])
    check_no_leak(rows)
    with pytest.raises(ValueError, match=f"{key} {held[key]}"):
        other = "speaker" if key == "recording" else "recording"
        check_no_leak([*rows, {**held, "split": "train", other: "another"}])


def digits():
    return [
        {"path": f"{speaker}/{digit}_{take}.flac", "speaker": speaker, "label": str(digit)}
        for speaker in ("george", "theo", DIGIT_SPEAKER)
        for digit in range(10)
        for take in range(6)
    ]


def test_digits_hold_out_one_speaker_and_some_takes_of_the_others():
    held = held_out("fsdd", digits())
    assert Counter(held.values()) == {"speaker": 60, "take": 2 * 10 * DIGIT_TAKES}
    takes = Counter(path.rsplit("_", 1)[0] for path, how in held.items() if how == "take")
    assert set(takes.values()) == {DIGIT_TAKES}  # of every digit


@pytest.mark.parametrize("source", ["fsdd", "words", "sfx_cc"])
def test_splits_do_not_depend_on_the_order_of_rows(source):
    rows = (
        digits()
        if source == "fsdd"
        else [
            {
                "path": f"{i}.flac",
                "speaker": f"s{i // 3}",
                "label": f"l{i % 7}",
                "source_recording": i,
            }
            for i in range(60)
        ]
    )
    shuffled = random.Random(0).sample(rows, len(rows))
    assert held_out(source, rows) == held_out(source, shuffled)


def test_every_held_out_label_is_also_trained_on():
    rows = [
        {
            "path": f"{i}.flac",
            "label": "common" if i % 2 else f"once {i}",
            "source_recording": f"{i}",
        }
        for i in range(40)
    ]
    held = held_out("ambience", rows)
    assert 0 < len(held) <= 0.15 * 40 + 1
    assert {row["label"] for row in rows if row["path"] in held} == {"common"}


def test_stems_of_a_song_stay_together():
    rows = [
        {"path": f"{song}_{stem}.flac", "genre": "metal", "source_recording": f"{song}_{stem}"}
        for song in range(20)
        for stem in ("mix", "guitar")
    ]
    held = held_out("music", rows)
    assert held
    assert {path.replace("mix", "guitar") for path in held} <= set(held)


@pytest.mark.parametrize(
    ("source", "row"),
    [("esc10", {"label": "siren"}), ("ambience", {"label": "moon"}), ("esc50", {})],
)
def test_unknown_labels_are_named(source, row):
    with pytest.raises(ValueError, match="siren|moon|esc50"):
        views_of(source, row)


def test_words_state_what_is_known_of_the_voice():
    man = views_of("fsdd", {"transcript": "seven", "gender": "male"})
    assert man["caption"][0] == 'A man says the word "seven".'
    assert "a male voice" in man["speech"] and man["asr"] == "seven"
    someone = views_of("words", {"transcript": "yes"})
    assert "male" not in json.dumps(someone)
    assert "A voice says yes." in someone["caption"]


def test_music_has_its_own_caption_and_simple_ones():
    row = {
        "caption": "A piano playing, slow tempo.",
        "instruments": ["piano"],
        "genre": "classical song",
    }
    views = views_of("music", row)
    assert views["caption"] == ["A piano playing, slow tempo.", "Piano music.", "Classical music."]
    assert views["music"][0] == "a piano playing, slow tempo"


def test_command_line(clips, tmp_path, capsys):
    main(["--recordings", str(clips), "--out", str(tmp_path), "--sources", "words,esc10"])
    assert names(tmp_path) == ["esc10.jsonl", "singles.jsonl", "words.jsonl"]
    assert "val " in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main(["--recordings", str(tmp_path), "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    assert "run python -m data.fetch first" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
