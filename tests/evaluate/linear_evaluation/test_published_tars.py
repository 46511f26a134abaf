"""The layout in which X-ARES publishes its data."""

import dataclasses
import io
import json
import tarfile

import numpy as np
import pytest
import soundfile

from audiogen_jax.evaluate.linear_evaluation.clips import Event
from audiogen_jax.evaluate.linear_evaluation.published_tars import has_data, read_task
from audiogen_jax.evaluate.linear_evaluation.tasks import XARES

TASKS = {task.name: task for task in XARES}
NOISE = (0.1 * np.random.default_rng(0).normal(size=(800, 2))).astype(np.float32)


def audio(kind: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, NOISE, 8000, format=kind)
    return file.getvalue()


def write(path, files: dict[str, bytes | object]) -> None:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, value in files.items():
            contents = value if isinstance(value, bytes) else json.dumps(value).encode()
            info = tarfile.TarInfo(name)
            info.size = len(contents)
            tar.addfile(info, io.BytesIO(contents))


def test_folds_with_labels_in_order(tmp_path):
    task = TASKS["esc50"]
    assert not has_data(task, tmp_path)
    for fold in (3, 1, 2, 4, 5):
        for part in (1, 0):
            path = tmp_path / "esc50" / f"wds-audio-fold-{fold}-00000{part}.tar"
            write(path, {f"{fold}{part}.flac": audio("flac"), f"{fold}{part}.json": {"label": 7}})
    clips = list(read_task(task, tmp_path, 16000))
    assert has_data(task, tmp_path)
    assert [each.key for each in clips] == [
        f"{fold}{part}" for fold in range(1, 6) for part in (0, 1)
    ]
    assert [each.split for each in clips] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert {each.answers for each in clips} == {("7",)}
    assert clips[0].samples.shape == (1600,)
    np.testing.assert_allclose(clips[0].samples[50::2][:100], NOISE.mean(1)[25:125], atol=0.1)


def test_several_labels_events_and_captions(tmp_path):
    fsd, desed, clotho = TASKS["fsd50k"], TASKS["desed"], TASKS["clotho"]
    for name in ("train", "validation", "eval"):
        files = {"a/1.wav": audio("wav"), "a/1.json": {"soundevent": "Bark;Dog"}}
        write(tmp_path / "fsd50k" / f"fsd50k_{name}_0.tar", files)
    assert {clip.answers for clip in read_task(fsd, tmp_path, 8000)} == {("Bark", "Dog")}
    events = [
        {"onset": 0.5, "offset": 2, "label": "Dog,Cat"}, {"onset": 1, "offset": 1, "label": "Cat"},
    ]  # fmt: skip
    for name in ("train", "wds-audio-eval"):
        files = {"1.wav": audio("wav"), "1.json": events}
        write(tmp_path / "desed" / f"{name}.tar", files)
    clips = list(read_task(desed, tmp_path, 8000))
    assert [clip.split for clip in clips] == [0, 1]  # what chooses is what scores
    assert clips[0].events == (Event(0.5, 2, "Dog"), Event(0.5, 2, "Cat"), Event(1, 1, "Cat"))
    for name in ("development", "evaluation", "validation"):
        files = {"1.wav": audio("wav"), "1.json": {"caption_1": "A dog.", "caption_2": "Barks."}}
        write(tmp_path / "clotho" / f"clotho_{name}.tar", files)
    assert {clip.answers for clip in read_task(clotho, tmp_path, 8000)} == {("A dog.", "Barks.")}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"1.wav": audio("wav"), "1.json": {"genre": "Pop"}}, "'label' is None, expected a label"),
        ({"1.wav": audio("wav"), "1.json": b"{"}, "'1': no json"),
        ({"1.wav": audio("wav")}, "expected one of"),
        ({"1.wav": b"RIFF", "1.json": {"label": "a"}}, "sample '1' is not audio"),
        ({"1.wav": audio("wav"), "1.json": ["a"]}, "its json is a list"),
        ({}, "holds no clips"),
    ],
)
def test_what_is_broken_is_named(files, message, tmp_path):
    for name in ("train", "valid", "test"):
        write(tmp_path / "vocalsound" / f"{name}.tar", files)
    with pytest.raises(ValueError, match=message):
        list(read_task(TASKS["vocalsound"], tmp_path, 8000))


def test_what_is_missing_says_where_it_is(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"zenodo.org/records/14722710"):
        list(read_task(TASKS["vocalsound"], tmp_path, 8000))
    (tmp_path / "gtzan_genre").mkdir()
    (tmp_path / "gtzan_genre" / "gtzan_fold_0_0.tar").write_bytes(b"no tar file")
    with pytest.raises(ValueError, match="no tar file, or cut short"):
        list(read_task(dataclasses.replace(TASKS["gtzan_genre"]), tmp_path, 8000))
