"""The second family takes its places in the registry, as any other would."""

import json

import numpy as np
import pytest
import soundfile

from audiogen_jax.checkpoints import registry
from tests.second import checkpoints


@pytest.fixture(scope="package", autouse=True)
def families():
    """Generators called "bag" and codecs called "stereo", for the tests of this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.GENERATORS, "bag", checkpoints.GENERATOR)
        patch.setitem(registry.CODECS, "stereo", checkpoints.CODEC)
        yield


@pytest.fixture(scope="package")
def checkpoint(families, tmp_path_factory):
    return checkpoints.write_checkpoint(tmp_path_factory.mktemp("second") / "bag")


@pytest.fixture(scope="package")
def manifest(tmp_path_factory):
    """Eight clips of stereo noise at 44.1 kHz, of 0.3 to 0.5 s."""
    folder, rng = tmp_path_factory.mktemp("stereo"), np.random.default_rng(0)
    rows = []
    for i in range(8):
        samples = 0.1 * rng.standard_normal((13230 + 1260 * i, 2))
        soundfile.write(folder / f"{i}.wav", samples, 44100, "FLOAT")
        rows.append(
            {
                "path": f"{i}.wav",
                "audio_id": f"clip{i}",
                "duration": len(samples) / 44100,
                "sample_rate": 44100,
                "caption": f"noise number {i}",
                "split": "val" if i % 2 else "train",
            }
        )
    path = folder / "clips.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
