"""`audiogen evaluate --suite`: one command from a folder to the report."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.cli import main
from audiogen_jax.evaluate.benchmarks import run
from audiogen_jax.evaluate.benchmarks.options import SuiteOptions
from audiogen_jax.evaluate.benchmarks.run import evaluate_suite, load_embedders
from audiogen_jax.files.jsonl import read_rows
from audiogen_jax.jobs import generate_clips
from audiogen_jax.jobs.job import Progress
from tests.evaluate.benchmarks.sounds import RATE, MelEmbedder, sound, write_folder
from tests.evaluate.embedders.graphs import save_levels, save_whisper
from tests.evaluate.recognisers.test_whisper import FOLLOWS, GENERATION, WORDS

SEEDS = range(4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with clips, recordings and prompts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "embedder", MelEmbedder)
    write_folder(tmp_path / "made", SEEDS)
    write_folder(tmp_path / "real", [seed + 9 for seed in SEEDS])
    rows = [{"audio_id": str(n), "path": f"real/{n}.wav"} for n in SEEDS]
    write_lines(tmp_path / "refs.jsonl", rows)
    rows = [{"audio_id": str(n), "caption": f"a tone {n}", "asr": "good day"} for n in SEEDS]
    write_lines(tmp_path / "prompts.jsonl", rows)
    return tmp_path


def write_lines(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def audiogen(capfd):
    def run(*arguments):
        with pytest.raises(SystemExit) as exit_info:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return int(exit_info.value.code or 0), out, err

    return run


FOLDER = (
    "evaluate", "--suite", "audiocaps", "--audio", "made", "--references", "refs.jsonl",
    "--embedder", "nano:semantic", "-o", "report.json",
)  # fmt: skip


def test_a_page_and_the_same_again(folder, audiogen):
    code, _, err = audiogen(*FOLDER, "--prompts", "prompts.jsonl", "--html", "page.html")
    assert code == 0, err
    page = (folder / "page.html").read_text()
    assert page.count("<audio") == 3 * 2 and "a tone 3" in page  # scored, reference
    code, out, err = audiogen("reproduce", "report.json")
    assert code == 0, err
    assert "nothing that went in differs" in out and ", 0 differ, 0 missing" in out
    shutil.copy(folder / "real" / "0.wav", folder / "made" / "1.wav")
    code, out, _ = audiogen("reproduce", "report.json")
    assert code == 1 and out.index("differs: audio.sounds_sha256: ") < out.index("Reproduced")
    code, _, err = audiogen("reproduce", "report.json", "--manifest", "refs.jsonl")
    assert code == 2 and "a manifest is given" in err


def test_a_folder_and_nothing_else(folder, audiogen):
    code, out, err = audiogen(*FOLDER)
    assert code == 0, err
    report = json.loads((folder / "report.json").read_text())
    protocol, results = report["protocol"], report["results"]["audiocaps"]
    assert protocol["suite"] == "audiocaps" and "checkpoint" not in protocol
    assert protocol["options"] == json.loads(json.dumps(vars(SuiteOptions(
        "audiocaps", audio="made", references="refs.jsonl", embedders=("nano:semantic",)
    ))))  # fmt: skip
    assert protocol["audio"]["files"] == {str(n): f"{n}.wav" for n in SEEDS}
    assert protocol["references"]["files"]["3"] == "real/3.wav"
    assert protocol["audio"]["sounds_sha256"] != protocol["references"]["sounds_sha256"]
    assert protocol["audio"]["sample_rates"] == {"16000": 4}
    assert protocol["embedders"]["nano:semantic"]["name"] == "nano:semantic"
    (row,) = results["rows"]
    cell = row["cells"]["FD (nano:semantic)"]
    assert 0 <= cell["low"] < cell["value"] < cell["high"] and cell["clips"] == 4
    assert len(results["published"]) == 8
    markdown = (folder / "report.md").read_text()
    assert "| system | clips |" in markdown and "| made | 4 to 4 |" in markdown
    assert "| TangoFlux |" in markdown and "arXiv:2608.11804" in markdown
    assert "FD (nano:semantic)" in out
    code, _, err = audiogen(*FOLDER)
    assert code == 2 and "report.json exists" in err
    again = evaluate_suite(SuiteOptions(**protocol["options"]), folder / "again.json")
    assert json.loads((folder / "again.json").read_text())["results"] == report["results"]
    assert again.keys() == {"audiocaps"}


def test_networks_in_the_place_of_lists(folder, audiogen):
    save_whisper(folder / "tiny", FOLLOWS, WORDS, **GENERATION)
    save_levels(folder / "levels.onnx")
    (folder / "levels.json").write_text(json.dumps({"name": "frames", "sample_rate": RATE}))
    arguments = (
        "evaluate", "--suite", "libritts", "--audio", "made", "--prompts", "prompts.jsonl",
        "--transcripts", "whisper=tiny", "-o", "report.json",
    )  # fmt: skip
    code, _, err = audiogen(*arguments, "--scores", "onnx=levels.onnx")
    assert code == 2 and "made/0.wav: onnx gives 2 values: a score is one" in err
    spec = {"name": "frames", "sample_rate": RATE, "output": "frames"}
    (folder / "levels.json").write_text(json.dumps(spec))
    code, _, err = audiogen(*arguments, "--scores", "onnx=levels.onnx")
    assert code == 0, err
    report = json.loads((folder / "report.json").read_text())
    heard = read_rows(folder / "report_whisper.jsonl")
    assert [row["text"] for row in heard] == ["hello world"] * 4
    assert heard[0]["identity"]["name"] == "Whisper" and heard[0]["model"] == "tiny"
    assert report["protocol"]["transcripts"]["path"] == "report_whisper.jsonl"
    (row,) = report["results"]["libritts"]["rows"]
    assert row["cells"]["WER (tiny)"]["value"] == 1.0
    # Reproduced by asking the networks again, not from what they said before.
    options = report["protocol"]["options"]
    assert (options["transcripts"], options["scores"]) == ("whisper=tiny", ["onnx=levels.onnx"])
    write_lines(
        folder / "report_whisper.jsonl", [dict(row) | {"text": "good day"} for row in heard]
    )
    code, out, err = audiogen("reproduce", "report.json")
    assert code == 0, err
    assert ", 0 differ, 0 missing" in out
    shutil.copy(folder / "made" / "1.wav", folder / "made" / "0.wav")
    code, _, err = audiogen(*arguments[:7], "--transcripts", "report_whisper.jsonl", "-o", "b.json")
    assert code == 2 and "report_whisper.jsonl is of other sounds" in err
    score = np.mean([sound(seed).mean() for seed in SEEDS])
    assert row["cells"]["onnx"]["value"] == pytest.approx(score, rel=1e-3)


@pytest.mark.slow
def test_a_checkpoint_makes_the_clips(folder, audiogen, tiny_checkpoint):
    arguments = (
        "evaluate", "--suite", "audiocaps", "--prompts", "prompts.jsonl", "--checkpoint",
        tiny_checkpoint, "--steps", 1, "--duration", 0.5, "--references", "real", "--embedder", "e",
        "-o", "tiny.json",
    )  # fmt: skip
    code, _, err = audiogen(*arguments)
    assert code == 0, err
    report = json.loads((folder / "tiny.json").read_text())
    assert len(report["protocol"]["checkpoint_sha256"]) == 64
    assert report["protocol"]["generation"]["options"]["steps"] == 1
    assert report["protocol"]["audio"]["seconds"]["most"] == pytest.approx(0.5, abs=0.05)
    assert report["results"]["audiocaps"]["rows"][0]["clips"] == 4
    assert sorted(path.name for path in folder.glob("tiny_clips/*.wav")) == [
        f"{n}.wav" for n in SEEDS
    ]


@pytest.mark.parametrize("errors", [0, 1])
def test_clips_that_fail_stop_it_unless_some_are_enough(folder, audiogen, monkeypatch, errors):
    asked = []

    def run_batch(prompts, output, settings, *, checkpoint):
        asked.append((prompts, checkpoint, settings.seed, settings.options.steps))
        write_folder(Path(output), list(SEEDS)[errors:])
        (Path(output) / "job.json").write_text('{"checkpoint_sha256": "abc"}')
        return Progress(done=4 - errors, total=4, errors=errors)

    monkeypatch.setattr(generate_clips, "run_batch", run_batch)
    arguments = (
        "evaluate", "--suite", "audiocaps", "--prompts", "prompts.jsonl", "--checkpoint", "a/b",
        "--seed", 7, "--steps", 3, "--references", "real", "--embedder", "e",
    )  # fmt: skip
    code, _, err = audiogen(*arguments)
    if errors:
        assert code == 2 and "1 clips failed, see evaluation_clips/errors.jsonl" in err
        code, _, err = audiogen(*arguments, "--partial")
    assert code == 0, err
    assert {*asked} == {("prompts.jsonl", "a/b", 7, 3)}
    report = json.loads((folder / "evaluation.json").read_text())
    assert report["protocol"]["checkpoint_sha256"] == "abc"
    assert report["results"]["audiocaps"]["system"] == "b"
    assert report["results"]["audiocaps"]["rows"][0]["clips"] == 4 - errors


def test_a_dry_run_writes_nothing(folder, audiogen):
    before = sorted(folder.rglob("*"))
    code, out, err = audiogen(
        "evaluate", "--suite", "audiocaps", "--audio", "made", "--prompts", "prompts.jsonl",
        "--judge", "http://127.0.0.1:9/v1", "--judge-model", "ears", "--dry-run",
    )  # fmt: skip
    assert code == 0, err
    size = 4 * -(-(44 + 2 * 4800) // 3)  # in base64
    assert f"4 of 4 clips to ask of, 0 answers kept, {4 * size} bytes" in out
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--suite", "speed", "--audio", "made"), "expected nano or one of audiocaps"),
        (("--suite", "audiocaps"), "a checkpoint needs --prompts"),
        (("--suite", "audiocaps", "refs.jsonl"), "are for suite nano"),
        (("--audio", "made"), "--audio: name the suite"),
        ((), "give the manifest"),
        (("--suite", "audiocaps", "--audio", "made"), "nothing to measure: FAD (vggish) is not"),
        (("--suite", "audiocaps", "--audio", "gone"), "no folder or list of audio at gone"),
        (("--suite", "mecat", "--audio", "made"), "has no category"),
        (("--suite", "mmag", "--audio", "made", "--draws", "3"), "at least 20"),
        (("--suite", "mmag", "--audio", "made", "-o", "a.txt"), "written as .json"),
        (("--suite", "mmag", "--audio", "made", "--judge", "http://h/v1"), "a judge needs"),
        (("--suite", "mmag", "--audio", "made", "--dry-run"), "a dry run needs"),
    ],
)
def test_refused_without_a_trace(folder, audiogen, arguments, message):
    before = sorted(folder.rglob("*"))
    code, out, err = audiogen("evaluate", *arguments)
    assert code == 2 and message in err and out == ""
    assert sorted(folder.rglob("*")) == before


def test_embedders_are_called_by_their_kind(monkeypatch):
    monkeypatch.setattr(run, "embedder", MelEmbedder)
    assert [*load_embedders(["vggish=a.pth", "nano:semantic"])] == ["vggish", "nano:semantic"]
    twice = load_embedders(["vggish=a.pth", "vggish=b.pth"])
    assert {name: each.identity.name for name, each in twice.items()} == {
        "vggish=a.pth": "vggish=a.pth", "vggish=b.pth": "vggish=b.pth"
    }  # fmt: skip
