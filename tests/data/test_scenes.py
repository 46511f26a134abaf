import json

import numpy as np
import pytest
import soundfile

from audiogen_jax.files.jsonl import read_rows
from audiogen_jax.input.manifest import read_manifest
from data.build_scenes import build_scenes, main
from data.licenses import STRICTNESS, strictest
from data.mixing import active_power
from data.scene_builder import CATEGORIES, SNR_DB, SceneBuilder
from data.scene_captions import scene_views

SECONDS = 3.0


def rows_of(singles):
    return [{**row, "path": str(singles.parent / row["path"])} for row in read_rows(singles)]


@pytest.fixture(scope="module")
def builder(singles):
    return SceneBuilder(rows_of(singles), "train", SECONDS)


@pytest.fixture(scope="module")
def scenes(builder):
    return [
        builder.build(category, np.random.default_rng((seed, index)))
        for index, category in enumerate(CATEGORIES)
        for seed in range(8)
    ]


def test_layers_sum_to_the_mix(scenes):
    for scene in scenes:
        assert scene.samples.shape == (round(SECONDS * 16000),)
        assert 0.29 < np.abs(scene.samples).max() < 0.81
        np.testing.assert_allclose(sum(scene.layers.values()), scene.samples, atol=1e-9)


def test_a_scene_holds_what_its_category_says(scenes):
    kinds = {"speech": "S", "music": "M", "sfx": "A", "env": "A"}
    for scene in scenes:
        row = scene.row
        found = {kinds[role] for role in scene.layers}
        assert found == set(row["category"]) - {"0"}
        assert {source["role"] for source in row["sources"]} == set(scene.layers)
        for role in scene.layers:
            assert row[role]
        assert ("asr" in row) == ("S" in row["category"])
        # A view without its layer would lie; only a room may stand in the place of ambience.
        for view in {"speech", "sfx", "music"} - set(scene.layers):
            assert view not in row
        if "env" in row and "env" not in scene.layers:
            assert "reverberant room" in row["env"]
        assert all(caption.endswith(".") for caption in row["caption"])


def test_levels_are_as_the_row_says(scenes):
    asked = 0
    for scene in scenes:
        reference, *others = scene.layers.values()
        for (role, snr_db), layer in zip(scene.row["snr_db"].items(), others, strict=True):
            found = 10 * np.log10(active_power(reference) / active_power(layer))
            assert found == pytest.approx(snr_db, abs=1e-6)
            assert SNR_DB[role][0] <= snr_db <= SNR_DB[role][1]
            asked += 1
    assert asked > 20


def test_the_transcript_is_what_is_said_in_order(scenes, singles):
    said = {row["audio_id"]: row["asr"] for row in read_rows(singles) if "asr" in row}
    counts = set()
    for scene in scenes:
        parts = [part["audio_id"] for part in scene.row["sources"] if part["role"] == "speech"]
        assert scene.row.get("asr", "") == " ".join(said[name] for name in parts)
        counts.add(len(parts))
    assert max(counts) > 1  # words of one voice in a row


def test_a_mix_carries_the_strictest_licence(scenes, singles):
    for scene in scenes:
        licenses = [part["license"] for part in scene.row["sources"]]
        assert scene.row["license"] == max(licenses, key=STRICTNESS.__getitem__)
    shared_alike = [
        {**row, "license": "CC-BY-SA-4.0"} if row["source"] == "music" else row
        for row in rows_of(singles)
    ]
    builder = SceneBuilder(shared_alike, "train", SECONDS)
    for index, category in enumerate(CATEGORIES):
        row = builder.build(category, np.random.default_rng(index)).row
        assert (row["license"] == "CC-BY-SA-4.0") == ("M" in category)


def test_strictest_licence():
    assert strictest(["CC0-1.0", "Public-Domain", "CC-BY-3.0"]) == "CC-BY-3.0"
    assert strictest(["CC-BY-SA-3.0", "CC-BY-4.0"]) == "CC-BY-SA-3.0"
    with pytest.raises(ValueError, match="CC-BY-NC-4.0"):
        strictest(["CC0-1.0", "CC-BY-NC-4.0"])
    with pytest.raises(ValueError, match="at least one"):
        strictest([])


def test_scenes_on_disk_are_repeatable_and_prefix_stable(singles, tmp_path):
    first = build_scenes([singles], tmp_path / "a", "train", 9, seed=3, seconds=SECONDS)
    again = build_scenes([singles], tmp_path / "b", "train", 7, seed=3, seconds=SECONDS)
    other = build_scenes([singles], tmp_path / "c", "train", 7, seed=4, seconds=SECONDS)
    assert first[:7] == again
    assert all(a["sha256"] != b["sha256"] for a, b in zip(again, other, strict=True))
    assert [row["category"] for row in again] == list(CATEGORIES)
    for row in first:
        samples, rate = soundfile.read(tmp_path / "a" / row["path"])
        assert (rate, len(samples)) == (16000, 48000)
    assert not list(tmp_path.rglob("*.partial"))


def test_one_manifest_holds_both_splits(singles, tmp_path):
    main([str(singles), "--out", str(tmp_path), "--train", "2", "--val", "1", "--seconds", "7"])
    records = read_manifest(tmp_path / "scenes.jsonl")
    assert [record.split for record in records] == ["train", "train", "val"]
    assert all(record.path.is_file() for record in records)


def test_validation_scenes_use_validation_clips_only(singles, tmp_path):
    # The held-out sentence is longer than 3 s; speech is never cut, so the scenes are 7 s.
    rows = build_scenes([singles], tmp_path, "val", 14, seed=0, seconds=7.0)
    held_out = {row["audio_id"] for row in read_rows(singles) if row["split"] == "val"}
    assert {part["audio_id"] for row in rows for part in row["sources"]} <= held_out
    assert {row["split"] for row in rows} == {"val"}


def test_what_follows_without_overlap_is_told_in_order():
    parts = {
        "speech": [{"speech": "a male voice", "asr": "stop"}],
        "sfx": [{"sfx": ["a dog barking"]}],
        "env": [{"env": ["rain"]}],
    }
    views = scene_views(parts, ["sfx", "speech"], None, np.random.default_rng(0))
    assert views["caption"] == [
        'A male voice saying "stop", a dog barking and rain.',
        'A dog barking, then a male voice saying "stop", with rain.',
    ]


def test_errors(singles, builder, tmp_path, capsys):
    with pytest.raises(ValueError, match="category='SS0'"):
        builder.build("SS0", np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"no train clips for \['speech', 'sfx', 'env'\]"):
        music = [row for row in rows_of(singles) if row["source"] == "music"]
        SceneBuilder(music, "train", SECONDS)
    broken = tmp_path / "broken.jsonl"
    broken.write_text(json.dumps({"a": 1})[:-1] + "\n")
    with pytest.raises(SystemExit) as stop:
        main([str(broken), "--out", str(tmp_path / "scenes")])
    assert stop.value.code == 2
    assert "broken.jsonl, line 1: not JSON" in capsys.readouterr().err
