"""Clips of a batch at a level, and without what made them: both decide the job."""

import json

import numpy as np
import pytest
import soundfile

from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.marking import Marking
from audiogen_jax.files.provenance import read_provenance
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.jobs.generate_clips import BatchSettings, run_batch


@pytest.fixture
def job(tiny_checkpoint, tmp_path):
    """Makes a clip of 0.4 s in `out`."""
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"audio_id": "a", "caption": "rain"}\n')

    def run(**settings):
        settings = BatchSettings(SamplingOptions(steps=2), **{"duration": 0.4, **settings})
        return run_batch(prompts, tmp_path / "out", settings, checkpoint=tiny_checkpoint)

    return run


def rows(folder, name="manifest.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_clips_of_one_level_decide_the_job(job, tmp_path):
    done = job(delivery=Delivery(-20, sample_rate=8000), marking=Marking(False))
    assert (done.done, done.errors) == (1, 0)
    for row in rows(tmp_path / "out"):
        path = tmp_path / "out" / row["file"]
        assert read_provenance(path) is None and not row["provenance"]
        assert row["delivery"] == {"loudness": -20, "sample_rate": 8000}
        assert (row["sample_rate"], row["duration"]) == (8000, 0.4)
        assert any("to -20.0 LUFS" in change for change in row["changes"])
        assert np.abs(soundfile.read(path)[0]).max() == pytest.approx(row["peak"], abs=1e-3)
    with pytest.raises(ValueError, match="another job: delivery was .* provenance was"):
        job()
    with pytest.raises(ValueError, match="a batch is not signed"):
        BatchSettings(marking=Marking(c2pa_certificate=tmp_path, c2pa_key=tmp_path))


def test_clips_too_short_for_their_loop(job, tmp_path):
    with pytest.raises(ValueError, match="a clip of 0.40 s is shorter than two crossfades"):
        job(delivery=Delivery(loop=0.3))
    assert not (tmp_path / "out").exists()
    done = job(delivery=Delivery(loop=60), duration=None)  # as the model decides: it fails alone
    assert (done.made, done.errors) == (0, 1)
    (failed,) = rows(tmp_path / "out", "errors.jsonl")
    assert failed["id"] == "a" and "shorter than two crossfades" in failed["error"]
    assert not [*(tmp_path / "out").glob("*.wav")]
