"""Linear evaluation of a codec's layers, from recordings to rows."""

import dataclasses
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiogen_jax.evaluate.report import print_report, write_report
from audiogen_jax.evaluate.suite import Context, Model
from audiogen_jax.evaluate.suites.understanding import Understanding
from audiogen_jax.infer.codec import Codec
from tests.evaluate.melodies import RATE, tone

WORDS = ("zero", "one", "two")


def genres(folder: Path) -> Path:
    """GTZAN as X-ARES publishes it, but for two tones a fold."""
    (folder / "gtzan_genre").mkdir()
    for fold in range(10):
        with tarfile.open(folder / "gtzan_genre" / f"gtzan_fold_{fold}_0000000.tar", "w") as tar:
            for word in WORDS[:2]:
                clip = tone(word, fold)
                audio = io.BytesIO()
                soundfile.write(audio, clip.samples, RATE, format="wav")
                label = json.dumps({"genre": word}).encode()
                for kind, contents in (("wav", audio.getvalue()), ("json", label)):
                    info = tarfile.TarInfo(f"{word}.{kind}")
                    info.size = len(contents)
                    tar.addfile(info, io.BytesIO(contents))
    return folder


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Digits that three speakers sing, of nano's encoder."""
    recordings = [
        dataclasses.replace(
            tone(word, 10 * number + take), audio_id=f"{speaker}/{word}{take}", source="fsdd",
            speaker=speaker,
        )
        for number, speaker in enumerate(("ann", "bo", "cy"))
        for word in WORDS
        for take in range(4)
    ]  # fmt: skip
    assert recordings[0].sample_rate == RATE
    context = Context(tmp_path_factory.mktemp("cache"))
    suite = Understanding(head_seeds=2, xares=str(genres(tmp_path_factory.mktemp("xares"))))
    return suite.run(Model(Codec.load("nano")), recordings, context), context


def test_layers_of_the_encoder_on_the_tasks_there_are(measured):
    measurement, context = measured
    layers = measurement.results["layers"]
    assert list(layers) == ["semantic", "acoustic", "unified"]
    assert {tuple(each) for each in layers.values()} == {("digits", "speakers", "gtzan_genre")}
    digits = layers["unified"]["digits"]
    assert digits["score"].value > 0.8 > 2 * digits["chance"]  # tones of three pitches
    assert (
        digits["score"].low <= digits["score"].value <= digits["score"].high
        and digits["clips"] == 36
    )
    assert np.shape(digits["scores"]) == (2, 3)
    assert digits["majority"] == pytest.approx(1 / 3)
    assert layers["semantic"]["digits"] != layers["acoustic"]["digits"]
    assert measurement.results["differences"].keys() == {
        "unified - semantic", "unified - acoustic",
    }  # fmt: skip
    genre = layers["unified"]["gtzan_genre"]
    assert genre["clips"] == 20 and np.shape(genre["scores"]) == (2, 10)
    means = measurement.results["weighted_means"]
    assert means["unified"] == {"mean": pytest.approx(genre["score"].value), "tasks": 1}
    assert list((context.cache / "frames").iterdir())


def test_the_report_says_what_is_missing(measured, tmp_path, capsys):
    measurement, _ = measured
    missing = measurement.protocol["published_tasks_without_data"]
    assert len(missing) == 21
    assert {"task": "esc50", "data": "https://zenodo.org/records/14614287"} in missing
    assert "sounds: 0 classes of 5 clips" in measurement.note
    assert "21 of the 22 tasks of X-ARES have no data here" in measurement.note
    print_report(measurement.tables, [measurement.note])
    assert "Linear evaluation, strict" in capsys.readouterr().out
    fields = dict.fromkeys(
        ("checkpoint", "checkpoint_sha256", "manifest_sha256", "seed", "versions", "hardware",
         "git_commit"), ""
    )  # fmt: skip
    protocol = fields | {"understanding": measurement.protocol}
    write_report(tmp_path / "a.json", protocol, measurement.results)
    read = json.loads((tmp_path / "a.json").read_text())
    assert read["results"]["layers"]["unified"]["digits"]["metric"] == "accuracy"
    assert read["protocol"]["understanding"]["embedders"]["unified"]["layer"] == "unified"
