"""What objectives are tried on: sounds to mix pairs of, and parameters of the tiny generator."""

import json
from pathlib import Path

import pytest
import soundfile

from tests.models.audiogen.test_generator import params as params
from tests.train.conftest import CLIPS


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    """Clips of several sounds to mix pairs of."""
    rows = [
        {
            "audio_id": path.stem,
            "path": str(path),
            "duration": soundfile.info(path).duration,
            "caption": f"the sound of {path.parent.name}",
            "sfx": f"a sound of {path.parent.name} number {i}",
            "label": f"{path.parent.name} {i}",
        }
        for i, path in enumerate(sorted(CLIPS.rglob("*.flac"))[:8])
    ]
    target = tmp_path_factory.mktemp("sounds") / "sounds.jsonl"
    target.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return target
