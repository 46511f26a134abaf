import json
from pathlib import Path

import pytest
import soundfile

from audiogen_jax.evaluate.judge.network import Judge
from audiogen_jax.evaluate.judge.training import train_judge
from tests.evaluate.melodies import PITCHES, RATE, RECORDINGS, TRAINING, tone


@pytest.fixture(scope="session")
def judge() -> Judge:
    """Taught the melodies in 40 steps."""
    return train_judge(RECORDINGS, TRAINING)


@pytest.fixture(scope="session")
def manifest(tmp_path_factory) -> Path:
    """Wav files of some melodies, and one that is marked synthetic."""
    folder = tmp_path_factory.mktemp("melodies")
    rows = []
    for word in PITCHES:
        for seed in range(8):
            clip = tone(word, seed)
            soundfile.write(folder / f"{clip.audio_id}.wav", clip.samples, RATE)
            rows.append(
                {
                    "audio_id": clip.audio_id,
                    "path": f"{clip.audio_id}.wav",
                    "duration": len(clip.samples) / RATE,
                    "split": clip.split,
                    **{view: list(texts) for view, texts in clip.views.items()},
                    "held_out": clip.held_out,
                }
            )
    rows.append(rows[0] | {"audio_id": "made", "synthetic": True})
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
