"""What is said of weights that are not here, against the names and shapes of the releases."""

import json
import math

import numpy as np
import pytest
import soundfile

from audiogen_jax.checkpoints.folder import open_checkpoint
from audiogen_jax.checkpoints.releases import AUDIO_OMNI, QWEN_OMNI, SYNCHFORMER_BYTES, how_to_get
from audiogen_jax.cli import main
from tests.parity.golden import FOLDER

TABLES = json.loads((FOLDER / "audio_omni" / "full_size_tensors.json").read_text())
OMNI = "HKUSTAudio/Audio-Omni"
BYTES = {"BF16": 2, "F32": 4}


def size(table, part="", bytes_each=BYTES):
    rows = [row for name, row in TABLES[table].items() if part in name]
    return sum(bytes_each[kind] * math.prod(shape) for kind, shape in rows)


def test_sizes():
    assert AUDIO_OMNI[OMNI].bytes == size("audio_omni")
    assert QWEN_OMNI["Qwen/Qwen2.5-Omni-3B"].bytes == size("audio_omni", ".thinker.")
    half = {"F32": 2}  # listed as built, released in bfloat16
    assert QWEN_OMNI["Qwen/Qwen2.5-Omni-7B"].bytes == size("qwen_7b_thinker", bytes_each=half)
    assert size("synchformer") == SYNCHFORMER_BYTES
    assert f"{SYNCHFORMER_BYTES / 1e9:.1f}" == "0.5"  # of the message in models.omni.reading


def test_what_is_missing_is_named_with_its_size_and_licence(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ValueError, match=r"Audio-Omni \(22\.2 GB, CC BY-NC 4\.0, .* not in the cache"
    ):
        open_checkpoint(OMNI)
    assert "hf download" in how_to_get(AUDIO_OMNI)


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", "--transcript", "Hello", "--steps", "1"),
        ("edit", "remove", "in.wav", "--what", "rain", "--checkpoint", OMNI),
    ],
    ids=["generate with nano", "edit with what is not there"],
)
def test_verbs_say_what_they_need(arguments, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    soundfile.write("in.wav", 0.1 * np.random.default_rng(0).standard_normal(1600), 8000)
    with pytest.raises(SystemExit) as error:
        main(arguments)
    err = capfd.readouterr().err
    assert error.value.code == 2 and "\n" not in err.strip()
    for words in (OMNI, "22.2 GB", "CC BY-NC 4.0"):
        assert words in err
