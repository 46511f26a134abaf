"""The benchmark that trains an arm for each claim is rehearsed at a small size on the CPU."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiogen_jax.evaluate.judge.tasks import DIGITS, SOUNDS
from tests.benchmarks import claims, claims_judge
from tests.benchmarks.claims_data import Prompt, Tokenizer, draw_wordings, read_records
from tests.benchmarks.claims_judge import CLAIMS, Made, accuracy, compare, decode, difference

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """Manifests of a digit and a sound, for training and held out; clips are noise."""
    folder, rng = tmp_path_factory.mktemp("worded"), np.random.default_rng(0)
    for name, label, seconds, views in (
        ("fsdd", "two", 0.4, {"speech": ["a man", "he"], "asr": "two"}),
        ("esc10", "rain", 2.5, {"env": "rain falling"}),
    ):
        rows = []
        for split in ("train", "val"):
            path = folder / f"{name}-{split}.wav"
            soundfile.write(path, 0.1 * rng.standard_normal(round(seconds * 16000)), 16000)
            row = {"audio_id": path.stem, "path": path.name, "duration": seconds, "split": split}
            rows.append(row | {"label": label, "caption": f"It is {label}."} | views)
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_texts_of_a_held_out_clip():
    views = {"caption": "A man says two.", "speech": "a man", "asr": "two"}
    prompt = Prompt("id", "digits", "two", views, 10)
    assert prompt.text("whole", True) == "<|caption|> A man says two. <|speech|> a man <|asr|> two"
    assert prompt.text("whole", False) == "A man says two. a man two"
    assert prompt.text("view alone", True) == "<|asr|> two"
    assert prompt.text("caption alone", True) == "<|caption|> A man says two."


def test_wordings_with_and_without_tags_are_the_same(datasets):
    records = [record for _, record in read_records(datasets, "train", None)]
    tagged, rows = draw_wordings(records, 8, 0.5, tags=True, whole=True)
    untagged, _ = draw_wordings(records, 8, 0.5, tags=False, whole=True)
    assert rows.shape == (2, 8) and rows.max() == len(tagged) - 1
    assert any("<|asr|>" in text for text in tagged) and not any("<|" in text for text in untagged)
    assert not all("<|env|>" in tagged[row] for row in rows[1])  # some are dropped
    alone, rows = draw_wordings(records, 8, 0.5, tags=True, whole=False)
    assert alone == ["<|asr|> two", "<|env|> rain falling"] and rows.tolist() == [[0] * 8, [1] * 8]


def test_wide_latents_hold_the_latents():
    audio = 0.1 * np.random.default_rng(0).standard_normal((2, 9600)).astype(np.float32)
    lengths = np.array([9600, 6400], np.int32)
    wide = Tokenizer.load("nano", wide=True)
    values = wide.encode(audio, lengths)
    assert values.shape == (2, 15, 1280) and not values[1, 10:].any()
    latents = Tokenizer.load("nano", wide=False).encode(audio, lengths)
    np.testing.assert_allclose(wide.unified(values), latents, atol=1e-5)
    # Embedded patches, blocks and mel are there too, and differ.
    assert np.ptp(values[0, :10].reshape(10, 10, 128).std(axis=(0, 2))) > 0.01


def test_every_claim_is_of_arms():
    assert {arm for pair in CLAIMS.values() for arm in pair} == set(claims.ARMS)


def test_accuracy_and_difference():
    ours = np.array([[True, True, True, False], [True, True, False, False]])
    found = accuracy(ours)
    assert found["mean"] == 0.625 and found["seeds"] == [0.75, 0.5] and found["clips"] == 4
    low, high = found["interval"]
    assert 0 <= low < 0.625 < high <= 1
    apart = difference(ours, np.zeros((3, 4), bool))
    assert apart["mean"] == 0.625 and apart["interval"] == pytest.approx([low, high], abs=0.15)
    same = difference(ours[:1], ours[:1])  # clips are drawn for both together
    assert same == {"mean": 0.0, "interval": [0.0, 0.0]}
    listened = {"whole": {"digits, judge": ours}}
    compared = compare({"base": listened | {"view alone": {}}, "plain": listened})
    assert list(compared) == ["tagged views"] and "view alone" not in compared["tagged views"]


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["base", "acoustic", "wide_4.4"])
def test_rehearsal(datasets, tmp_path, monkeypatch, arm: str):
    """From clips to a result; listeners are stood in for."""
    monkeypatch.setitem(claims.SIZES, "small", claims.SIZES["small"]._replace(seeds=1))
    path = tmp_path / f"{arm}.npz"
    sizes = ["--size", "small", "--steps", "2", "--batch", "2", "--datasets", str(datasets)]
    if claims.ARMS[arm].needs_tokenizer:
        sizes += ["--tokenizer", str(ROOT / "audiogen_jax" / "nano" / "tokenizer")]
    claims.main(["train", arm, *sizes, "--output", str(path)])
    made = Made.read(path)
    assert made.ids == ["esc10-val", "fsdd-val"] and made.frames.tolist() == [16, 10]
    assert list(made.latents) == list(claims.ARMS[arm].sets)
    latents = made.latents[claims.ARMS[arm].sets[0]][0]
    assert latents.shape == (26, 128)
    assert made.facts["windows"] == 3 and np.isfinite(made.facts["ema_loss"]).all()

    clips = decode(claims_judge.Codec.load("nano"), latents, made.frames)
    assert [len(clip) for clip in clips] == [10240, 6400]

    class Listener:
        sample_rate = 16000
        hear = claims_judge.Listeners.hear

        class judge:  # noqa: N801
            answers = staticmethod(lambda group, clips, rate: [{"digits": "two"}.get(group, "no")])

        class words:  # noqa: N801
            answers = staticmethod(lambda clips, rate: ["two"] * len(clips))

    heard = Listener().hear(clips, made.groups, made.labels)
    assert {name: hits.tolist() for name, hits in heard.items()} == {
        "sounds, judge": [False],
        "digits, judge": [True],
        "digits, PocketSphinx": [True],
    }


def test_classes_are_those_of_the_judge(datasets):
    labels = {record.label for _, record in read_records(datasets, "val", None)}
    assert labels < {*DIGITS, *SOUNDS}
