"""Manifests of the committed clips, and the tokenizer trained on them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiogen_jax.files.atomic import write_text
from audiogen_jax.input.audio_batches import DataConfig
from audiogen_jax.input.manifest import AudioRecord, read_manifest
from audiogen_jax.input.mixture import RowsOf
from data.build_manifest import build
from data.sources import SOURCES
from data.train_text_tokenizer import train, training_texts

CLIPS = Path(__file__).parent.parent / "clips"


def nth_rows(index: int, count: int) -> RowsOf:
    """Of a batch cut in so many, neighbours of each other."""
    return lambda size: range(index * size // count, (index + 1) * size // count)


@pytest.fixture(scope="session")
def manifests(tmp_path_factory) -> Path:
    """Folder with one manifest per set, `singles.jsonl` and `tokenizer.json`."""
    out = tmp_path_factory.mktemp("manifests")
    sources = tuple(source for source in SOURCES if (CLIPS / source.name).is_dir())
    build(CLIPS, out, sources)
    tokenizer = train(training_texts([out / "singles.jsonl"]), 320)
    write_text(out / "tokenizer.json", tokenizer.to_str())
    return out


@pytest.fixture
def misstated(manifests, tmp_path) -> list[AudioRecord]:
    """Words of one voice, said again and again for three seconds, of which 0.4 s are stated."""
    words = read_manifest(manifests / "words.jsonl")
    words = [word for word in words if word.speaker == words[0].speaker][:3]
    records = []
    for number, word in enumerate(words):
        samples, rate = soundfile.read(word.path, dtype="float32")
        path = tmp_path / f"misstated{number}.wav"
        soundfile.write(path, np.resize(samples, 3 * rate), rate)
        records.append(
            dataclasses.replace(word, audio_id=path.stem, path=path, duration=0.4, split="train")
        )
    return records


@pytest.fixture
def config(manifests) -> DataConfig:
    """Everything in two buckets; the clips of sfx_cc are drawn as often as all of esc10."""
    return DataConfig(
        manifests=((str(manifests / "esc10.jsonl"), 1.0), (str(manifests / "sfx_cc.jsonl"), 1.0)),
        buckets=(1.5, 2.0),
        batch_sizes=(4, 2),
        text_tokenizer=str(manifests / "tokenizer.json"),
        max_tokens=48,
        seed=7,
        holdout=0.0,
    )
