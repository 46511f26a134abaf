import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiogen_jax.files.audio import read_audio
from audiogen_jax.files.jsonl import read_rows
from audiogen_jax.input.edits.manifest import read_pairs
from data.build_real_edits import main
from data.edit_shards import DROPPED, PAIRS
from data.real_edits import RealEdits

RATE = 16000


def tone(frequency: float, start: float, stop: float) -> np.ndarray:
    time = np.arange(2 * RATE) / RATE
    return 0.2 * np.sin(2 * np.pi * frequency * time) * (time >= start) * (time < stop)


@pytest.fixture(scope="module")
def manifests(tmp_path_factory) -> Path:
    """`mixed.jsonl`: two recordings with a beep in noise, a short one and one that is none;
    `single.jsonl`: two beeps and a buzz."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    sounds = {
        "m0": tone(800, 0.5, 1.2) + 0.05 * rng.standard_normal(2 * RATE),
        "m1": tone(800, 1.0, 1.5) + 0.05 * rng.standard_normal(2 * RATE),
        "short": tone(800, 0.0, 1.0)[: RATE // 2],
        "s0": tone(800, 0.0, 1.0)[:RATE],
        "s1": tone(800, 0.0, 2.0),
        "buzz": np.sign(tone(100, 0.0, 1.0))[:RATE] * 0.1,
    }
    for name, samples in sounds.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE)
    (folder / "broken.wav").write_text("no audio")

    def row(name: str, **columns) -> str:
        return json.dumps({"audio_id": name, "path": f"{name}.wav", "duration": 2.0} | columns)

    said = {"caption": "A beep and a strange hum", "license": "CC0-1.0", "author": "me"}
    rows = [row("m0", **said), row("m1", split="val", **said)]
    rows += [row(name, caption="A beep") for name in ("short", "broken")]
    (folder / "mixed.jsonl").write_text("\n".join(rows))
    rows = [row(name, label="beep", sfx="a beep") for name in ("s0", "s1")]
    rows.append(row("buzz", label="buzz", sfx="a buzz", license="CC-BY-4.0", author="she"))
    (folder / "single.jsonl").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def built(manifests, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("built")
    arguments = [str(manifests / "mixed.jsonl"), "--examples", str(manifests / "single.jsonl")]
    main(["--out", str(out), "--shard-size", "2", *arguments])
    return out


def test_pairs_of_a_recording_sum(built):
    records = read_pairs(built / PAIRS)
    kinds = ("add", "remove", "extract", "restyle")
    assert [record.kind for record in records] == [*kinds, *kinds]
    assert [record.split for record in records] == ["train"] * 4 + ["val"] * 4
    add, remove, extract, restyle = records[:4]
    assert add.source == remove.target and add.target == remove.source == extract.source
    clips = {
        name: read_audio(path).samples
        for name, path in (
            ("mixed", add.target),
            ("residual", add.source),
            ("target", extract.target),
            ("transfer", restyle.target),
            ("other", restyle.replacement),
        )
    }
    assert extract.target == extract.event == add.event
    step = 2**-15
    np.testing.assert_allclose(clips["residual"] + clips["target"], clips["mixed"], atol=2 * step)
    rest = clips["transfer"] - clips["other"]
    np.testing.assert_allclose(rest, clips["residual"], atol=2 * step)
    power = [np.square(clips["target"][a:b]).mean() for a, b in ((9000, 18000), (24000, 32000))]
    assert power[0] > 100 * power[1]  # the beep is in the target
    assert (restyle.what, restyle.to) == ("a beep", "a buzz")
    assert add.span[0] == pytest.approx(0.5, abs=0.1) and add.span[1] == pytest.approx(1.2, abs=0.1)


def test_what_gave_no_pair_is_listed(built):
    why = [row["why"] for row in read_rows(built / DROPPED)]
    assert "m0: 'a strange hum': the separator does not know this sound" in why
    assert any(line.startswith("short: shorter than 1 s") for line in why)
    assert any(line.startswith("broken: ") and "not audio" in line for line in why)


def test_licences_of_what_is_exchanged_count(built):
    licenses = {row["type"]: row["license"] for row in read_rows(built / PAIRS)}
    assert licenses == dict.fromkeys(("add", "remove", "extract"), "CC0-1.0") | {
        "restyle": "CC-BY-4.0"
    }
    assert "all separated sounds are kept" in json.loads((built / "job.json").read_text())["match"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"separator": "magic"}, "separator='magic': expected one of"),
        ({"separator": "editor"}, "give its checkpoint"),
        ({"examples": ()}, "knows sounds by single recordings"),
        ({"seconds": 0.5}, "at least 1 s"),
        ({"namer": "x"}, "namer='x'"),
    ],
)
def test_settings_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        RealEdits(**{"recordings": ("a.jsonl",), "examples": ("b.jsonl",)} | change)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (["--separator", "sam-audio"], "the package 'sam_audio' is not installed"),
        (["--match", "clap"], "the package 'laion_clap' is not installed"),
        (["--namer", "llm"], "expected 'llm:URL MODEL'"),
    ],
)
def test_a_stage_that_cannot_be_had_is_one_line(manifests, tmp_path, capsys, stage, message):
    arguments = [str(manifests / "mixed.jsonl"), "--examples", str(manifests / "single.jsonl")]
    with pytest.raises(SystemExit) as stopped:
        main(["--out", str(tmp_path), *arguments, *stage])
    error = capsys.readouterr().err.strip()
    assert stopped.value.code == 2 and message in error and "\n" not in error
    assert not [*tmp_path.rglob("*.flac")]
