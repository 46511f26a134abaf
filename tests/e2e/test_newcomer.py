"""Three commands from a folder of recordings to a sound in a new model, as the docs show them.

On eight devices, as any training of the tests: this is the one of a generator on recordings.
"""

import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import soundfile

from audiogen_jax.checkpoints.dasheng_audiogen import load_audiogen
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.cli import main
from audiogen_jax.train import loop
from tests.train.conftest import metrics_rows

CLIPS = Path(__file__).parents[1] / "clips"
QUICK = (
    *("steps=3", "log_every=1", "checkpoint_every=3", "eval.batches=1"),
    *("data.buckets=1", "data.batch_sizes=8", "data.max_tokens=32", "optimizer.warmup_steps=1"),
)


def audiogen(*arguments: object) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main([str(argument) for argument in arguments])
    assert not exit_info.value.code


@pytest.fixture
def wavs(tmp_path, monkeypatch) -> Path:
    """Eight recordings in folders, and a table of captions as a spreadsheet writes it."""
    monkeypatch.chdir(tmp_path)
    folder, lines = Path("wavs"), ["File;Caption"]
    paths = [path for name in ("words", "sfx_cc") for path in (CLIPS / name).rglob("*.flac")]
    for path in sorted(paths)[:8]:
        sound = path.parent.name
        target = folder / sound / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        lines.append(f"{sound}/{path.name};The sound of {sound}.")
    assert len(lines) == 9
    Path("captions.csv").write_text("\n".join(lines))
    return folder


def test_three_commands(wavs, tiny_checkpoint, capfd, monkeypatch):
    states, train_model = [], loop.train_model

    def recorded(*arguments, **options):
        states.append(train_model(*arguments, **options))
        return states[-1]

    monkeypatch.setattr(loop, "train_model", recorded)
    audiogen("manifest", wavs, "--captions", "captions.csv", "--output", "clips.jsonl")
    assert "clips.jsonl: train" in capfd.readouterr().out
    audiogen(
        *("train", "--config", "finetune", "--set", "data=clips.jsonl", "--workdir", "run"),
        *("--set", f"init={tiny_checkpoint}"),
        *(word for setting in QUICK for word in ("--set", setting)),
    )
    audiogen(
        *("generate", "--checkpoint", "run/export", "--caption", "Somebody says one."),
        *("--duration", 0.5, "--steps", 2, "--output", "one.wav"),
    )
    rows = metrics_rows(Path("run"))
    assert [row["step"] for row in rows] == [1, 2, 3] and rows[-1]["val_loss"] > 0
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    assert Path("run/checkpoints/3").is_dir() and Path("run/config.json").is_file()
    assert list(Path("run/tensorboard").iterdir())
    assert soundfile.info("one.wav").frames == 8000
    exported = Path("run/export/tokenizer.json").read_bytes()
    assert exported == (tiny_checkpoint / "tokenizer.json").read_bytes()
    _, params = load_audiogen(CheckpointFolder("run/export"))
    jax.tree.map(np.testing.assert_array_equal, params, states[0].ema["audiogen"])
