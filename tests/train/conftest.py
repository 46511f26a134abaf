"""Eight committed clips as a manifest, and the three stages trained for two steps each."""

import json
from pathlib import Path

import pytest
import soundfile

from audiogen_jax.train.config import load_config
from audiogen_jax.train.loop import train_model
from audiogen_jax.train.meter import SPEED

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "tests" / "clips"


@pytest.fixture(scope="session")
def manifest(tmp_path_factory) -> Path:
    """Eight clips to train on and eight to validate on."""
    rows = []
    for i, path in enumerate(sorted(CLIPS.rglob("*.flac"))[:16]):
        rows.append(
            {
                "audio_id": path.stem,
                "path": str(path),
                "duration": soundfile.info(path).duration,
                "caption": f"the sound of {path.parent.name}",
                "split": ("train", "val")[i % 2],
            }
        )
    target = tmp_path_factory.mktemp("manifest") / "clips.jsonl"
    target.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return target


@pytest.fixture(scope="session")
def one_bad_clip(manifest, tmp_path_factory) -> Path:
    """The manifest with a clip that cannot be decoded in the place of one."""
    folder = tmp_path_factory.mktemp("bad")
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    bad = next(row for row in rows if row["split"] == "train")
    bad["path"] = str(folder / "bad.flac")
    (folder / "bad.flac").write_bytes(b"fLaC and nothing more")
    target = folder / "clips.jsonl"
    target.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return target


@pytest.fixture(scope="session")
def smoke(manifest, tiny_checkpoint, tmp_path_factory):
    """(stage, overrides) -> the smoke config of the stage, ready to train on the clips."""

    def config(stage: str, *overrides: str):
        needs = {
            "encoder": [],
            "tokenizer": [
                f"init.encoder={tiny_checkpoint / 'tokenizer'}",
                "gan.n_ffts=(128,)",  # test_accumulate has two discriminators
            ],
            "generator": [
                f"tokenizer={tiny_checkpoint / 'tokenizer'}",
                f"data.text_tokenizer={tiny_checkpoint / 'tokenizer.json'}",
            ],
        }[stage]
        return load_config(
            f"{ROOT}/configs/nano_{stage}.py:smoke",
            [f"data.manifests=(({str(manifest)!r}, 1.0),)", *needs, *overrides],
        )

    return config


@pytest.fixture(scope="session")
def trained(smoke, tmp_path_factory):
    """stage -> (workdir, last state) of its smoke config on eight devices."""
    finished = {}

    def run(stage: str):
        if stage not in finished:
            workdir = tmp_path_factory.mktemp(stage)
            finished[stage] = workdir, train_model(smoke(stage), workdir)
        return finished[stage]

    return run


def metrics_rows(workdir: Path) -> list[dict]:
    """The rows of metrics.jsonl without what depends on the clock."""
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if not k.startswith(SPEED)} for row in rows]
