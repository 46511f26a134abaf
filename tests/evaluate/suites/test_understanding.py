"""Linear evaluation of a codec's layers, from recordings to rows."""

import dataclasses
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.report import print_report, write_report
from audiogen_jax.evaluate.suite import Context, Model
from audiogen_jax.evaluate.suites.understanding import Understanding
from audiogen_jax.infer.codec import Codec
from tests.evaluate.melodies import RATE, tone
from tests.parity.golden import FOLDER

WORDS = ("zero", "one", "two")


def published(folder: Path, name: str, column: str, clips: dict[str, Recording]) -> None:
    """A tar file of a task as X-ARES publishes it, of clips by their labels."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for word, clip in clips.items():
            audio = io.BytesIO()
            soundfile.write(audio, clip.samples, RATE, format="wav")
            label = json.dumps({column: word}).encode()
            for kind, contents in (("wav", audio.getvalue()), ("json", label)):
                info = tarfile.TarInfo(f"{word}.{kind}")
                info.size = len(contents)
                tar.addfile(info, io.BytesIO(contents))


def genres(folder: Path) -> Path:
    """GTZAN, but for two tones a fold."""
    for fold in range(10):
        tones = {word: tone(word, fold) for word in WORDS[:2]}
        published(folder, f"gtzan_genre/gtzan_fold_{fold}_0000000.tar", "genre", tones)
    return folder


def sentences(folder: Path) -> Path:
    """LibriSpeech, but for two tones a split."""
    for number, split in enumerate(("train-clean-100", "dev-clean", "test-clean")):
        tones = {word.upper(): tone(word, 50 + number) for word in WORDS[:2]}
        published(folder, f"librispeech_asr/{split}-000000.tar", "trans", tones)
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
    folder = sentences(genres(tmp_path_factory.mktemp("xares")))
    with pytest.MonkeyPatch.context() as patched:  # nothing has been downloaded
        nowhere = tmp_path_factory.mktemp("hub")
        patched.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(nowhere))
        suite = Understanding(head_seeds=2, xares=str(folder))
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
    assert "20 of the 22 tasks of X-ARES have no data here" in measurement.note
    assert "librispeech_asr needs Qwen/Qwen2.5-0.5B (1.0 GB, Apache-2.0)," in measurement.note
    assert "language_model" not in measurement.protocol
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


def test_a_language_model_that_is_none_is_an_error(tmp_path):
    suite = Understanding(xares=str(sentences(tmp_path / "xares")), qwen=str(tmp_path))
    with pytest.raises(ValueError, match="holds no config.json"):
        suite.run(Model(Codec.load("nano")), [], Context(tmp_path / "cache"))


@pytest.mark.slow
def test_transcripts_of_each_layer(tmp_path):
    """With a tiny language model; what it writes is worth nothing."""
    xares = str(sentences(tmp_path / "xares"))
    suite = Understanding(head_seeds=2, xares=xares, qwen=str(FOLDER / "qwen2_tiny"))
    found = suite.run(Model(Codec.load("nano")), [], Context(tmp_path / "cache"))
    for layer in ("semantic", "acoustic", "unified"):
        score = found.results["layers"][layer]["librispeech_asr"]  # pyright: ignore
        assert score["clips"] == 2 and np.shape(score["scores"]) == (2, 1)
        assert 0 <= score["score"].low <= score["score"].value <= 1
    assert found.results["weighted_means"]["unified"]["tasks"] == 1  # pyright: ignore
    model = found.protocol["language_model"]
    assert model["layers"] == 2 and len(model["sha256"]) == 64  # pyright: ignore
