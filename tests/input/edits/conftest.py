import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16000


@pytest.fixture(scope="session")
def pairs(tmp_path_factory) -> Path:
    """A manifest of six pairs of 1 s in the published form, of which two have columns of ours."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(2):
        rest, event = 0.1 * rng.standard_normal((2, RATE)).astype(np.float32)
        event[: RATE // 4], event[RATE // 2 :] = 0, 0
        for name, clip in (("mixed", rest + event), ("residual", rest), ("target", event)):
            soundfile.write(folder / f"{name}{number}.wav", clip, RATE, "FLOAT")
        for kind, before, after in (
            ("add", "residual", "mixed"),
            ("remove", "mixed", "residual"),
            ("extract", "mixed", "target"),
        ):
            row = {
                "id": f"clip{number}",
                "type": kind,
                "prompt": f"{kind} the sound of 'a bell' in the input audio",
                "input": f"{before}{number}.wav",
                "output": f"{after}{number}.wav",
            }
            if number:
                row |= {"span": [0.25, 0.5], "duration": 1.0, "event": "target1.wav"}
            rows.append(json.dumps(row))
    (folder / "pairs.jsonl").write_text("\n".join(rows))
    return folder / "pairs.jsonl"
