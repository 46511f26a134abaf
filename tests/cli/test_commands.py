"""The command line: whole outputs, and for bad input exit code 2, one line, nothing written."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiogen_jax.files.fingerprint import checkpoint_sha256
from audiogen_jax.files.latents import read_latents, write_latents
from audiogen_jax.files.provenance import read_provenance

COMMANDS = (
    "generate", "edit", "stems", "batch", "encode", "decode", "reconstruct", "encode-dataset",
    "manifest", "train", "plan", "compile", "convert", "evaluate", "reproduce", "understand",
    "refine", "serve", "mcp",
)  # fmt: skip


@pytest.fixture
def speech(tmp_path) -> Path:
    """A second of a gliding tone with harmonics, 44.1 kHz stereo MP3."""
    time = np.arange(44100) / 44100
    glide = sum(np.sin(2 * np.pi * k * (150 + 50 * time) * time) / k for k in range(1, 9))
    path = tmp_path / "speech.mp3"
    soundfile.write(path, 0.2 * np.stack([glide, glide], axis=1), 44100)
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(audiogen, command: str):
    code, out, _ = audiogen(command, "--help")
    assert code == 0
    shown = "plan" if command == "compile" else command  # the name in version 0.1
    assert re.search(f"Examples?: audiogen {shown}", " ".join(out.split()))


def test_the_list_of_commands(audiogen):
    code, out, _ = audiogen("--help")
    assert code == 0
    listed = set(re.findall(r"^│ ([a-z][a-z-]+) ", out, re.MULTILINE))
    assert listed == set(COMMANDS) - {"compile"}


def test_help_loads_no_jax():
    script = (
        "import sys; from audiogen_jax.cli import app\n"
        f"for command in {COMMANDS}:\n"
        "  try: app([command, '--help'])\n"
        "  except SystemExit: pass\n"
        "sys.exit(int(bool({'jax', 'numpy'} & {*sys.modules})))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_generate(audiogen, tmp_path, tiny_checkpoint):
    arguments = ("generate", "--caption", "rain", "--env", "street", "--duration", "0.7")
    arguments += ("--steps", "2", "--checkpoint", tiny_checkpoint)
    code, out, _ = audiogen(*arguments, "--plot", "--output", "new/a.flac")
    assert code == 0
    assert "new/a.flac: 0.70 s at 16000 Hz, seed 0, <|caption|> rain <|env|> street" in out
    assert {file.name for file in (tmp_path / "new").iterdir()} == {
        *("a.flac", "a.flac.json", "a.png")
    }
    record = read_provenance("new/a.flac")
    assert record == {**record, **says(tiny_checkpoint, "generate"), "seed": 0, "id": "0"}
    assert record["prompt"] == "<|caption|> rain <|env|> street" and record["options"]["steps"] == 2
    assert soundfile.info("new/a.flac").frames == 11200
    assert Path("new/a.png").read_bytes().startswith(b"\x89PNG")

    audiogen(*arguments, "--output", "again.flac")
    assert Path("again.flac").read_bytes() == Path("new/a.flac").read_bytes()
    audiogen(*arguments, "--output", "other.flac", "--seed", "1")
    assert Path("other.flac").read_bytes() != Path("new/a.flac").read_bytes()


def says(checkpoint: Path, action: str) -> dict[str, object]:
    """What every file says that leaves."""
    codec = action in ("decode", "reconstruct")
    return {
        "software": "audiogen-jax 0.2.0",
        "action": action,
        "checkpoint": f"{checkpoint.name}/tokenizer" if codec else checkpoint.name,
        "checkpoint_sha256": checkpoint_sha256(checkpoint / "tokenizer" if codec else checkpoint),
    }


def test_refine(audiogen, tiny_checkpoint):
    sentence = "A man says “七” while a dog barks"
    code, out, _ = audiogen("refine", sentence)
    refined = f"<|caption|> {sentence} <|speech|> A man says <|asr|> 七 <|sfx|> a dog barks"
    assert (code, out) == (0, f"{refined}\n")
    assert audiogen("refine", refined)[1] == out
    code, out, _ = audiogen("refine", "--json", "rain, no music")
    assert json.loads(out) == {"caption": "rain, no music", "env": "rain"}
    code, _, err = audiogen("refine", " ")
    assert code == 2 and err == (
        "audiogen: nothing to refine: give a sentence that says what is heard\n"
    )
    arguments = ("generate", "--refine", "--duration", "0.4", "--steps", "1")
    arguments += ("--checkpoint", tiny_checkpoint, "-o", "a.wav")
    assert refined in audiogen(*arguments, sentence)[1]
    for wrong in ((), (sentence, "--caption", "rain"), (sentence, "--sfx", "rain")):
        code, _, err = audiogen(*arguments, *wrong)
        assert code == 2 and "--refine makes the views of one sentence" in err


def test_scenes_of_a_file(audiogen, tiny_checkpoint):
    scenes = [
        {"start": 0, "end": 0.5, "view": "caption", "text": "Rain falls."},
        {"start": 0.5, "end": 1, "view": "caption", "text": "<|caption|> a dog <|sfx|> a bark"},
    ]
    Path("scene.json").write_text(json.dumps(scenes))
    arguments = ("--timeline", "scene.json", "--steps", "1", "--checkpoint", tiny_checkpoint)
    code, out, _ = audiogen("generate", *arguments, "-o", "a.wav")
    assert code == 0 and "a.wav: 1.00 s at 16000 Hz, seed 0, <|caption|> Rain falls." in out
    assert soundfile.info("a.wav").frames == 16000


def test_editing_leaves_the_rest_of_the_file(audiogen, tmp_path, tiny_checkpoint):
    rng = np.random.default_rng(0)
    arguments = ("generate", "--caption", "rain", "--steps", "2", "--regenerate", "0.3:0.5")
    for name, subtype, output in (
        ("a.wav", "PCM_16", "b.flac"),
        ("a.flac", "PCM_24", "b.wav"),
        ("a.wav", "FLOAT", "c.wav"),
    ):
        soundfile.write(name, rng.uniform(-1, 1, (40_001, 2)), 44100, subtype)
        checkpoint = ("--checkpoint", tiny_checkpoint)
        code, out, _ = audiogen(*arguments, "--source", name, "-o", output, *checkpoint)
        assert code == 0 and f"{output}: 0.91 s at 44100 Hz" in out
        before, after = soundfile.read(name)[0], soundfile.read(output)[0]
        assert after.shape == before.shape and soundfile.info(output).subtype == subtype
        fade = 0.02
        start, end = int(44100 * (0.3 - fade)), int(44100 * (0.5 + fade)) + 1
        np.testing.assert_array_equal(after[:start], before[:start])
        np.testing.assert_array_equal(after[end:], before[end:])
        assert np.abs(after[start:end] - before[start:end]).max() > 0.1


def test_the_end_of_a_file_is_encoded(audiogen, tiny_checkpoint):
    checkpoint = ("--checkpoint", tiny_checkpoint)
    for count, frames in ((16479, 26), (1119, 2), (640, 1)):
        soundfile.write("a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, count), 16000)
        code, out, _ = audiogen("encode", "a.wav", "-o", f"{count}.npz", *checkpoint)
        assert code == 0 and f"{count}.npz: {frames} frames" in out
        assert audiogen("decode", f"{count}.npz", *checkpoint)[0] == 0
        assert audiogen("reconstruct", "a.wav", "-o", f"{count}r.wav", *checkpoint)[0] == 0
        for output in (f"{count}.wav", f"{count}r.wav"):
            assert soundfile.info(output).frames == count


def test_latents_and_their_number_of_samples(audiogen, tmp_path, tiny_checkpoint):
    checkpoint = ("--checkpoint", tiny_checkpoint)
    latents = np.random.default_rng(0).normal(size=(25, 16)).astype(np.float32)
    for count in (1, 15999, 16000):
        write_latents(f"{count}.npz", latents, count)
        code, _, err = audiogen("decode", f"{count}.npz", *checkpoint)
        assert code == 0 and "samples are not" not in err
        assert soundfile.info(f"{count}.wav").frames == count
    write_latents("old.npz", latents, 16479)  # version 0.2.0 dropped the last part of a frame
    code, _, err = audiogen("decode", "old.npz", *checkpoint)
    assert code == 0 and soundfile.info("old.wav").frames == 16000
    assert "warning: old.npz: the last 479 of 16479 samples are not in the latents" in err
    write_latents("long.npz", latents, 17000)
    message = "long.npz: 'num_samples' is 17000, but its 25 latent frames hold 16000"
    check_refused(audiogen, tmp_path, ("decode", "long.npz", *checkpoint), message)


OVERWRITING = {
    "encode": (("encode", "speech.mp3"), "speech.npz"),
    "decode": (("decode", "speech.npz"), "speech.wav"),
    "reconstruct": (("reconstruct", "speech.mp3"), "speech_reconstructed.wav"),
    "reconstruct into itself": (("reconstruct", "speech.wav", "-o", "speech.wav"), "speech.wav"),
    "generate": (("generate", "<|caption|> rain"), "audiogen.wav"),
    "generate into the source": (
        ("generate", "<|caption|> rain", "--source", "speech.wav", "-o", "speech.wav"),
        "speech.wav",
    ),
    "plot": (("generate", "<|caption|> rain", "--plot", "-o", "new.wav"), "new.png"),
    "a link": (("encode", "speech.mp3", "-o", "link.npz"), "link.npz"),
}


@pytest.mark.parametrize("case", OVERWRITING)
def test_a_file_that_exists_is_replaced_only_when_asked(
    audiogen, tmp_path, speech, tiny_checkpoint, case: str
):
    arguments, output = OVERWRITING[case]
    soundfile.write("speech.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 9000), 16000)
    write_latents("speech.npz", np.ones((3, 16), np.float32), 1500)
    Path("link.npz").symlink_to("nowhere.npz")
    if not Path(output).is_symlink() and not Path(output).exists():
        Path(output).write_text("of a user")
    # Before a model is looked for.
    message = f"{output} exists: give another --output, or --overwrite"
    check_refused(audiogen, tmp_path, (*arguments, "--checkpoint", "absent"), message)
    if arguments[0] == "generate" and case != "plot":
        return  # one of three is enough
    before = None if case == "a link" else Path(output).read_bytes()
    arguments += ("--overwrite", "--checkpoint", tiny_checkpoint)
    arguments += ("--steps", "1") if arguments[0] == "generate" else ()
    code, _, err = audiogen(*arguments)
    assert code == 0, err
    assert Path(output).read_bytes() != before


def test_prompts_and_channels_that_are_lost_are_told(audiogen, tiny_checkpoint):
    tone = 0.1 * np.sin(np.arange(16000) / 9)
    soundfile.write("opposite.wav", np.stack([tone, -tone], axis=1), 16000)
    checkpoint = ("--checkpoint", tiny_checkpoint)
    code, _, err = audiogen("encode", "opposite.wav", *checkpoint)
    assert code == 0 and "warning: opposite.wav: its 2 channels cancel" in err
    scene = ("--caption", "x " * 99, "--env", "street", "--duration", "0.4", "--steps", "1")
    code, _, err = audiogen("generate", *scene, *checkpoint)
    (line,) = [line for line in err.splitlines() if "tokens" in line]
    assert code == 0 and line.startswith("audiogen: warning: prompt ")
    assert line.endswith("caption, env")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_encode_then_decode_is_reconstruct(audiogen, speech, tiny_checkpoint, suffix: str):
    checkpoint = ("--checkpoint", tiny_checkpoint)
    code, out, err = audiogen("encode", speech, "-o", f"z{suffix}", *checkpoint)
    assert code == 0 and f"z{suffix}: 25 frames x 16 channels" in out
    assert "averaged 2 channels to mono" in err and "resampled 44100 Hz to 16000 Hz" in err
    assert audiogen("decode", f"z{suffix}", *checkpoint)[0] == 0
    assert audiogen("reconstruct", speech, "-o", "r.wav", *checkpoint)[0] == 0
    np.testing.assert_array_equal(soundfile.read("z.wav")[0], soundfile.read("r.wav")[0])
    for name, action in (("z.wav", "decode"), ("r.wav", "reconstruct")):
        record = read_provenance(name)
        assert record == {**record, **says(tiny_checkpoint, action)}, name
        assert record["digitalSourceType"].endswith("compositeWithTrainedAlgorithmicMedia")
    assert soundfile.info("r.wav").frames == soundfile.info(speech).frames * 160 // 441


def test_convert(audiogen, tmp_path, tiny_checkpoint):
    code, out, _ = audiogen("convert", tiny_checkpoint, "half", "--dtype", "bfloat16")
    assert code == 0 and "bfloat16" in out
    files = {str(file.relative_to(tiny_checkpoint)) for file in tiny_checkpoint.rglob("*.*")}
    assert {str(file.relative_to("half")) for file in Path("half").rglob("*.*")} == files
    sizes = [
        (folder / "model.safetensors").stat().st_size for folder in (tiny_checkpoint, Path("half"))
    ]
    assert sizes[1] < 0.7 * sizes[0]
    code, out, _ = audiogen(
        *("generate", "<|caption|> rain", "--steps", "2", "--checkpoint", "half", "-o", "h.wav")
    )
    assert code == 0 and Path("h.wav").is_file()


SCENE = ("generate", "<|caption|> rain")
BAD_GENERATE = {
    "no caption": (("generate",), "no caption"),
    "a tag is cut": (("generate", "<|caption rain"), "a tag is cut in '<|caption rain'"),
    "no caption view": (("generate", "<|env|> street"), "no <|caption|> view"),
    "only other views": (("generate", "--env", "street"), "no caption"),
    "unknown tag": (("generate", "<|caption|> x <|foo|> y"), "unknown tag <|foo|>"),
    "both ways": ((*SCENE, "--env", "street"), "not both"),
    "empty caption": (("generate", "--caption", " "), "caption view is empty"),
    "unknown option": ((*SCENE, "--colour", "red"), "No such option: --colour"),
    "negative duration": ((*SCENE, "--duration", "-1"), "duration=-1.0 must be between"),
    "endless duration": ((*SCENE, "--duration", "1e9"), "duration=1000000000.0 must be between"),
    "NaN duration": ((*SCENE, "--duration", "nan"), "duration=nan must be between"),
    "no steps": ((*SCENE, "--steps", "0"), "steps=0"),
    "negative guidance": ((*SCENE, "--guidance", "-1"), "guidance=-1.0"),
    "negative seed": ((*SCENE, "--seed", "-1"), "seed=-1"),
    "text as seed": ((*SCENE, "--seed", "x"), "Invalid value for '--seed'"),
    "aac output": ((*SCENE, "--output", "a.aac"), "cannot write '.aac' audio"),
    "output in a file": ((*SCENE, "--output", "speech.mp3/a.wav"), "is a file, not a folder"),
    "edit of nothing": (
        (*SCENE, "--source", "speech.mp3", "--regenerate", "5:6", "--regenerate", "0.2:0.3"),
        "regenerate=(5, 6) selects nothing",
    ),
    "edit that keeps all": ((*SCENE, "--source", "speech.mp3"), "would be kept as it is"),
    "words of no model": ((*SCENE, "--at", "env=0:1 rain"), "was not trained with times"),
    "words at no time": ((*SCENE, "--at", "asr=1"), "expected VIEW=START:END, as in asr=0.4:1.1"),
    "words from NaN": ((*SCENE, "--at", "env=nan:1"), "event from nan to 1 s: expected 0 <= start"),
    "words backwards": ((*SCENE, "--at", "env=2:1"), "event from 2 to 1 s: expected 0 <= start"),
    "an unknown view": ((*SCENE, "--at", "voice=0:1"), "view 'voice' of an event: expected one of"),
    "timeline of audio": ((*SCENE, "--timeline", "speech.mp3"), "speech.mp3 is not text in UTF-8"),
    "no timeline": ((*SCENE, "--timeline", "absent.json"), "absent.json"),
    "scenes too long": (
        (*SCENE, "--at", "caption=0:2 a dog", "--duration", "1"),
        "caption=0:2 'a dog' of the timeline ends after the clip of 1 s",
    ),
    "hub checkpoint": ((*SCENE, "--checkpoint", "org/name"), "org/name is not in the cache"),
}


@pytest.mark.parametrize("case", BAD_GENERATE)
def test_bad_generate(audiogen, tmp_path, speech, tiny_checkpoint, case: str):
    arguments, message = BAD_GENERATE[case]
    if "--checkpoint" not in arguments:
        arguments = (*arguments, "--checkpoint", tiny_checkpoint)
    check_refused(audiogen, tmp_path, arguments, message)


@pytest.mark.parametrize("command", ["encode", "reconstruct"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.wav", "no audio file at"),
        ("empty.wav", "is an empty file (0 bytes)"),
        ("text.wav", "is not audio that libsndfile reads"),
        ("zero.wav", "holds no samples"),
        ("nan.wav", "holds NaN or infinite samples"),
        ("short.wav", "at least 513"),
    ],
)
def test_bad_audio(audiogen, tmp_path, tiny_checkpoint, command: str, name: str, message: str):
    Path("empty.wav").write_bytes(b"")
    Path("text.wav").write_text("this is no audio file")
    soundfile.write("zero.wav", np.zeros(0), 16000)
    soundfile.write("nan.wav", np.full(16000, np.nan), 16000, "FLOAT")
    soundfile.write("short.wav", np.full(100, 0.1), 16000)
    check_refused(audiogen, tmp_path, (command, name, "--checkpoint", tiny_checkpoint), message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("encode", "speech.mp3", "-o", "z.bin"), "latents are kept as .npz or .safetensors"),
        (("encode", "speech.mp3", "-o", "speech.mp3/z.npz"), "is a file, not a folder"),
        (("encode", "speech.mp3", "--checkpoint", "absent"), "no checkpoint 'absent'"),
        (("decode", "missing.npz"), "no latents at missing.npz"),
        (("decode", "text.npz"), "text.npz is not a .npz file"),
        (("decode", "text.safetensors"), "text.safetensors is not a .safetensors file"),
        (("decode", "wide.npz"), "expected [b t c]"),
        (("decode", "speech.mp3"), "latents are kept as"),
        (("convert", "absent", "copy"), "no checkpoint 'absent'"),
        (("convert", "absent"), "Missing argument"),
        (("train", "--config", "absent.py", "--workdir", "runs"), "absent.py"),
        (("evaluate", "absent.jsonl"), "absent.jsonl"),
        (("evaluate", "absent.jsonl", "--part", "speed"), "expected some of"),
        (("evaluate", "absent.jsonl", "--html", "page.pdf"), "written as .html"),
        (("reproduce", "absent.json"), "no report at absent.json"),
        (("batch", "p.csv", "-o", "c", "--share", "0/2", "--shard", "0/2"), "--share alone"),
        (
            ("batch", "p.csv", "-o", "c", "--shard", "2/2"),
            "share '2/2': expected I from 0 to N - 1",
        ),
        (("plan", "--config", "x.py", "--topology", "v5e:2x4", "--steps", "4"), "need --sampler"),
        (("frobnicate",), "No such command 'frobnicate'"),
    ],
)
def test_bad_input_elsewhere(audiogen, tmp_path, speech, tiny_checkpoint, arguments, message: str):
    Path("text.npz").write_text("no archive")
    Path("text.safetensors").write_text("no tensors, but longer than a header")
    write_latents("wide.npz", np.ones((25, 99), np.float32), 16000)
    if arguments[0] in ("decode", "evaluate"):
        arguments = (*arguments, "--checkpoint", tiny_checkpoint)
    check_refused(audiogen, tmp_path, arguments, message)


def check_refused(audiogen, folder: Path, arguments, message: str) -> None:
    """Exit code 2, one line on stderr holding `message`, and no file made or changed."""
    before = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    code, out, err = audiogen(*arguments)
    assert code == 2, err
    lines = [line for line in err.splitlines() if line.startswith("audiogen: ")]
    assert len(lines) == 1 and message in lines[0]
    assert not [line for line in err.splitlines() if "Traceback" in line]
    assert out == ""
    assert {path: path.lstat().st_mtime_ns for path in folder.rglob("*")} == before


def test_latent_files_round_trip(tmp_path):
    latents = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    for name in ("a.npz", "a.safetensors"):
        write_latents(tmp_path / name, latents, 4000)
        read, num_samples = read_latents(tmp_path / name)
        np.testing.assert_array_equal(read, latents)
        assert num_samples == 4000
