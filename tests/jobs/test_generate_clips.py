"""Batch jobs on a tiny model: every row has a clip or an error, whatever happened before."""

import dataclasses
import hashlib
import itertools
import json
import shutil

import numpy as np
import pytest
import soundfile

import audiogen_jax as ag
from audiogen_jax.cli import main
from audiogen_jax.files.provenance import read_provenance
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.infer.requests import ClipError
from audiogen_jax.jobs import generate_clips
from audiogen_jax.jobs.generate_clips import BatchSettings, run_batch
from audiogen_jax.jobs.job import Share

ROWS = [{"audio_id": f"clip/{i}", "caption": f"rain {i}", "category": "00A"} for i in range(5)] + [
    {"audio_id": "tagged", "content": "<|env|> street <|caption|> a dog"}
]
OPTIONS = SamplingOptions(steps=2)
SETTINGS = {field.name for field in dataclasses.fields(BatchSettings)}


def write_prompts(folder):
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


@pytest.fixture
def prompts(tmp_path):
    return write_prompts(tmp_path)


@pytest.fixture(scope="module")
def finished(tiny_checkpoint, tmp_path_factory):
    """The folder of a job that is done."""
    folder = tmp_path_factory.mktemp("finished")
    settings = BatchSettings(duration=0.4, options=OPTIONS)
    done = run_batch(write_prompts(folder), folder / "out", settings, checkpoint=tiny_checkpoint)
    assert done.made == 6
    return folder / "out"


@pytest.fixture
def job(prompts, tiny_checkpoint, tmp_path):
    def run(output="out", **arguments):
        settings = {name: arguments.pop(name) for name in SETTINGS & arguments.keys()}
        settings = BatchSettings(**{"duration": 0.4, "options": OPTIONS} | settings)
        arguments = {"checkpoint": tiny_checkpoint} | arguments
        return run_batch(prompts, tmp_path / output, settings, **arguments)

    return run


def rows(folder, name="manifest.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_every_row_has_its_clip(job, tmp_path, tiny_checkpoint):
    done = job(suffix=".flac")
    assert (done.done, done.total, done.errors) == (6, 6, 0)
    made = {row["id"]: row for row in rows(tmp_path / "out")}
    assert made.keys() == {row["audio_id"] for row in ROWS}
    row = made["clip/2"]
    assert row["prompt"] == "<|caption|> rain 2" and row["category"] == "00A"
    assert (row["seed"], row["steps"], row["duration"]) == (0, 2, 0.4)
    samples, rate = soundfile.read(tmp_path / "out" / row["file"])
    assert rate == 16000 and np.abs(samples).max() == pytest.approx(row["peak"], abs=1e-3)
    # The noise depends on seed and id alone: the clip is the one of the Python interface.
    (clip,) = ag.load(tiny_checkpoint).generate(
        "<|caption|> rain 2", ids=["clip/2"], duration=0.4, steps=2
    )
    np.testing.assert_allclose(samples, clip.audio, atol=2e-4)
    for row in made.values():
        record = read_provenance(tmp_path / "out" / row["file"])
        assert [record[name] for name in ("id", "prompt", "seed", "checkpoint_sha256")] == [
            row[name] for name in ("id", "prompt", "seed", "checkpoint_sha256")
        ]
        assert record["action"] == "generate" and record["checkpoint"] == tiny_checkpoint.name
    assert not [*(tmp_path / "out").glob("*.flac.json")]  # the manifest says it


def test_what_was_lost_is_in_the_manifest(job, prompts, tmp_path, monkeypatch, recwarn):
    with prompts.open("a") as file:
        file.write(json.dumps({"audio_id": "long", "caption": "x " * 99, "env": "street"}))
    collect = Pipeline.collect

    def loud(self, submitted):
        return [
            dataclasses.replace(clip, audio=clip.audio * (1.5 / np.abs(clip.audio).max()))
            if clip.id == "clip/3"
            else clip
            for clip in collect(self, submitted)
        ]

    monkeypatch.setattr(Pipeline, "collect", loud)
    job()
    made = {row["id"]: row for row in rows(tmp_path / "out")}
    assert made["clip/3"]["gain_db"] == -3.52 and made["clip/3"]["peak"] == 1
    samples, _ = soundfile.read(tmp_path / "out" / made["clip/3"]["file"])
    assert np.abs(samples).max() == pytest.approx(1, abs=1e-4)
    rms = 10 * np.log10(np.mean(np.square(samples)))
    assert made["clip/3"]["rms_dbfs"] == pytest.approx(rms, abs=0.02)
    assert made["long"]["lost_views"] == ["caption", "env"]
    assert [str(warning.message)[:30] for warning in recwarn] == ["prompt '<|caption|> x x x x x "]
    assert "lost_views" not in made["clip/2"]


def test_timelines_are_in_the_manifest_and_decide_the_job(job, prompts, tmp_path):
    scenes = [
        {"start": 0.0, "end": 0.2, "view": "caption", "text": "a dog"},
        {"start": 0.2, "end": 0.4, "view": "caption", "text": "rain"},
    ]
    said = [{"start": 0.0, "end": 0.2, "view": "asr", "text": "seven"}]
    lines = prompts.read_text()
    rows_of = [{"audio_id": "scenes", "timeline": scenes}]
    rows_of += [{"audio_id": "said", "caption": "a man", "timeline": said}]
    prompts.write_text(lines + "".join(json.dumps(row) + "\n" for row in rows_of))
    done = job(duration=None)
    assert (done.done, done.errors) == (7, 1)
    made = {row["id"]: row for row in rows(tmp_path / "out")}
    assert made["scenes"]["timeline"] == scenes and "timeline" not in made["clip/2"]
    assert made["scenes"]["duration"] == 0.4 and made["scenes"]["prompt"] == "<|caption|> a dog"
    (failed,) = rows(tmp_path / "out", "errors.jsonl")
    assert failed["id"] == "said" and "was not trained with times" in failed["error"]
    scenes[0]["text"] = "a cat"
    prompts.write_text(lines + json.dumps({"audio_id": "scenes", "timeline": scenes}) + "\n")
    with pytest.raises(ValueError, match="prompts_sha256"):
        job(duration=None)


def test_plain_sentences_are_refined_when_asked(job, prompts, tmp_path):
    rows_of = [
        {"audio_id": "plain", "caption": 'A man says "seven" while a dog barks'},
        {"audio_id": "views", "caption": "a dog barks", "music": "piano"},
    ]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows_of))
    job(refine=True)
    made = {row["id"]: row["prompt"] for row in rows(tmp_path / "out")}
    assert made == {
        "plain": '<|caption|> A man says "seven" while a dog barks <|speech|> A man says '
        "<|asr|> seven <|sfx|> a dog barks",
        "views": "<|caption|> a dog barks <|music|> piano",
    }
    with pytest.raises(ValueError, match="refine was True and is"):
        job()


def test_shares_make_the_whole(job, tmp_path):
    whole = job("whole", share=Share())
    halves = [job("parts", share=Share(i, 2)) for i in range(2)]
    assert [half.total for half in halves] == [3, 3] and whole.total == 6
    for row in rows(tmp_path / "whole"):
        a, _ = soundfile.read(tmp_path / "whole" / row["file"])
        b, _ = soundfile.read(tmp_path / "parts" / row["file"])
        np.testing.assert_allclose(a, b, atol=2e-4)


def test_a_second_start_makes_nothing(job, finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.wav")}
    monkeypatch.setattr(Pipeline, "submit", lambda *a, **k: pytest.fail("made again"))
    assert job().made == 0
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.wav")}


def test_bad_rows_do_not_stop_the_job(job, prompts, tmp_path):
    lines = prompts.read_text().splitlines()
    lines.insert(2, "{")
    names = ["狗在雨中叫" * 5, "x" * 300, "Clip/1", "../../up"]
    lines += [json.dumps({"audio_id": name, "caption": "rain"}) for name in names]
    lines.append('{"audio_id": "cut", "caption": "a dog \\ud83d"}')
    lines.append('{"audio_id": "\\ud83d", "caption": "a dog"}')
    lines.append('{"audio_id": "deep", "caption": ' + "[" * 10_000 + "}")
    prompts.write_text("\n".join(lines))
    for start in range(2):
        done = job()
        assert (done.done, done.errors) == (10, 4), start
        errors = rows(tmp_path / "out", "errors.jsonl")
        assert [row["row"] for row in errors] == [2, 11, 12, 13]
        assert "row 2: not JSON" in errors[0]["error"]
    files = {row["id"]: row["file"] for row in rows(tmp_path / "out")}
    assert files["狗在雨中叫" * 5] == "狗在雨中叫" * 5 + ".wav"
    assert files["clip/1"] == "clip%2F1.wav" and files["Clip/1"].startswith("Clip%2F1~")
    assert files["../../up"] == "%2E.%2F..%2Fup.wav"
    left = {*files.values(), "job.json", "manifest.jsonl", "errors.jsonl"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == left


def test_recordings_of_mine_are_refused_before_the_model_is_loaded(job, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / "clip%2F3.wav"
    mine.write_bytes(b"a recording")
    monkeypatch.setattr(Pipeline, "load", lambda *a, **k: pytest.fail("loaded"))
    with pytest.raises(ValueError, match="clip%2F3.wav stands there already"):
        job()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [mine.name]


def test_prompts_are_read_once(job, prompts, tmp_path, monkeypatch):
    before, load = prompts.read_text(), Pipeline.load

    def changed_meanwhile(*arguments, **options):
        prompts.write_text(before.replace("rain", "wind"))
        return load(*arguments, **options)

    monkeypatch.setattr(Pipeline, "load", changed_meanwhile)
    job()
    digest = hashlib.sha256(before.encode()).hexdigest()
    assert json.loads((tmp_path / "out/job.json").read_text())["prompts_sha256"] == digest
    assert {row["prompt"] for row in rows(tmp_path / "out") if "clip" in row["id"]} == {
        f"<|caption|> rain {i}" for i in range(5)
    }
    with pytest.raises(ValueError, match=f"another job: prompts_sha256 was '{digest}' and is"):
        job()


def test_clips_that_were_changed_are_made_again_with_the_same_bits(job, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.wav")}
    (tmp_path / "out/clip%2F2.wav").write_bytes(b"")
    (tmp_path / "out/tagged.wav").write_bytes(b"my own mix")
    with pytest.warns(UserWarning, match="2 clips are not as manifest.jsonl says"):
        assert job().made == 2
    after = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.wav")}
    assert after == before
    assert (tmp_path / "out/tagged.wav.changed").read_bytes() == b"my own mix"


@pytest.fixture
def beside(tiny_checkpoint, tmp_path):
    """A copy of the checkpoint whose text encoder stands beside it."""
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "models" / "generator")
    (folder / "text_encoder").rename(tmp_path / "models" / "t5")
    (folder / "text_encoder").symlink_to(tmp_path / "models" / "t5")
    return folder


def test_components_and_not_the_spelling_of_paths_decide(job, beside, tmp_path, monkeypatch):
    assert job(checkpoint=beside).made == 6
    monkeypatch.chdir(tmp_path)
    assert job(checkpoint=f"models/../models/{beside.name}/").made == 0
    weights = tmp_path / "models/t5/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    for left in weights.parent.glob("sha256.json"):
        left.unlink()
    with pytest.raises(ValueError, match="belongs to another job: checkpoint_sha256 was '.*' and"):
        job(checkpoint=beside)


def test_failed_clips_are_tried_again_when_asked(job, finished, tmp_path, monkeypatch):
    collect = Pipeline.collect

    def silent(self, submitted):
        return [
            ClipError(clip.id, f"clip {clip.id!r}: the audio is silent")
            if clip.id == "clip/3"
            else clip
            for clip in collect(self, submitted)
        ]

    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "collect", silent)
        done = job()
    assert (done.done, done.errors) == (5, 1)
    assert rows(tmp_path / "out", "errors.jsonl")[0]["id"] == "clip/3"
    assert job().made == 0
    done = job(retry_errors=True)
    assert (done.made, done.done, done.errors) == (1, 6, 0)
    # Its batch was the same as at first, so it has the bits of an undisturbed job.
    for row in rows(tmp_path / "out"):
        name = row["file"]
        assert (tmp_path / "out" / name).read_bytes() == (finished / name).read_bytes()


def test_windows_that_are_done_are_not_conditioned_again(job, tmp_path, monkeypatch):
    monkeypatch.setattr(generate_clips, "WINDOW", 1)
    conditioned: list[list[str]] = []
    requests = Pipeline.requests

    def counted(self, prompts, ids, *arguments):
        conditioned.append(list(ids))
        return requests(self, prompts, ids, *arguments)

    def stop(progress) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Pipeline, "requests", counted)
    job("whole", batch_size=2)
    ids = [row["audio_id"] for row in ROWS]
    windows = [ids[:2], ids[2:4], ids[4:]]
    assert conditioned == windows
    with pytest.raises(KeyboardInterrupt):
        job("stopped", batch_size=2, report=stop)
    done = {row["id"] for row in rows(tmp_path / "stopped")}
    assert set(ids[:2]) <= done < set(ids)
    conditioned.clear()
    job("stopped", batch_size=2)
    assert conditioned == [window for window in windows if not set(window) <= done]
    for row in rows(tmp_path / "whole"):
        whole, stopped = (tmp_path / name / row["file"] for name in ("whole", "stopped"))
        assert whole.read_bytes() == stopped.read_bytes()
    conditioned.clear()
    assert job("stopped", batch_size=2).made == 0 and conditioned == []


def run(capsys, *arguments) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(one) for one in arguments])
    return stop.value.code or 0, capsys.readouterr().err


def test_the_command_line(capsys, prompts, tiny_checkpoint, tmp_path):
    command = ["batch", prompts, "-o", tmp_path / "o", "--checkpoint", tiny_checkpoint]
    command += ["--steps", 2, "--duration", 0.4]
    assert run(capsys, *command)[0] == 0
    code, message = run(capsys, *command[:-1], 0.5)
    assert code == 2 and "belongs to another job: duration was 0.4 and is 0.5" in message
    with prompts.open("a") as file:
        file.write(json.dumps(ROWS[0]) + "\n")
    code, message = run(capsys, *command)
    assert code == 2 and "row 6: audio_id 'clip/0' appears twice" in message
    code, message = run(capsys, *command, "--share", "2/2")
    assert code == 2 and "share '2/2'" in message
    code, message = run(capsys, *command, "--format", "mp3")
    assert code == 2 and "format '.mp3'" in message
    code, message = run(capsys, "batch", tmp_path / "absent.csv", "-o", tmp_path / "p")
    assert code == 2 and "no prompt file" in message and not (tmp_path / "p").exists()


def test_a_malformed_row_ends_with_exit_code_1(capsys, prompts, tiny_checkpoint, tmp_path):
    with prompts.open("a") as file:
        file.write("[]\n")
    code, message = run(
        capsys, "batch", prompts, "-o", tmp_path / "o", "--checkpoint", tiny_checkpoint,
        "--steps", 1, "--duration", 0.4,
    )  # fmt: skip
    assert code == 1 and "1 rows or clips failed" in message


def test_parameters_cut_over_devices_give_the_same_clips(job, finished, tmp_path):
    assert job("cut", sharding="fsdp", batch_size=8).made == 6
    for file in finished.rglob("*.wav"):
        expected, rate = soundfile.read(file, dtype="int16")
        found, same_rate = soundfile.read(
            tmp_path / "cut" / file.relative_to(finished), dtype="int16"
        )
        assert rate == same_rate and found.shape == expected.shape
        assert np.abs(found.astype(int) - expected).max() <= 1
    assert json.loads((tmp_path / "cut" / "job.json").read_text())["sharding"] == "fsdp"


@pytest.mark.parametrize(
    "wrong",
    [
        ("--seed", -1),
        ("--seed", 2**32),
        ("--batch-size", 0),
        ("--duration", 0),
        ("--duration", "nan"),
        ("--duration", "inf"),
        ("--duration", 0.001),  # below one frame, which the model says
        ("--steps", 0),
        ("--guidance", "nan"),
        ("--negative", "<|noise|"),
        ("--view-guidance", "sfx=inf"),
        ("--guidance-interval", "1:0"),
        ("--dtype", "fp8"),
        ("--format", "mp3"),
        ("--share", "1/1"),
        ("--checkpoint", "none"),
    ],
    ids=str,
)
def test_refused_arguments_claim_nothing(capsys, prompts, tiny_checkpoint, tmp_path, wrong):
    command = ["batch", prompts, "-o", tmp_path / "o", "--checkpoint", tiny_checkpoint, *wrong]
    code, message = run(capsys, *command)
    assert code == 2 and message.strip().count("\n") == 0
    assert not (tmp_path / "o").exists()


def test_a_negative_prompt_is_read_alike_in_any_order_of_tags():
    views = ("<|sfx|> hiss", "<|caption|> noise", "<|env|> a hall")
    for order in itertools.permutations(views):
        options = SamplingOptions(negative=" ".join(order))
        assert options.negative == "<|caption|> noise <|sfx|> hiss <|env|> a hall"
