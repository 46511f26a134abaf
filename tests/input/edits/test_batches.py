import dataclasses
import itertools
import json
from collections import Counter

import numpy as np
import pytest
import soundfile

from audiogen_jax.input.edits.batches import EditDataConfig, make_edit_iterator
from audiogen_jax.input.edits.config import EditConfig
from tests.input.conftest import nth_rows


def take(iterator, count):
    return list(itertools.islice(iterator, count))


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.fixture
def config(manifests) -> EditDataConfig:
    edits = EditConfig(
        weight=1.0, buckets=(1.0, 1.0), manifests=((str(manifests / "singles.jsonl"), 1.0),)
    )
    return EditDataConfig(
        edits=edits,
        buckets=(1.5, 2.0),
        batch_sizes=(4, 2),
        text_tokenizer=str(manifests / "tokenizer.json"),
        max_tokens=64,
        seed=7,
        holdout=0.0,
        num_threads=1,
    )


@pytest.fixture
def of_manifest(config, pairs) -> EditDataConfig:
    return dataclasses.replace(
        config, edits=None, manifests=((str(pairs), 1.0),), buckets=(1.0,), batch_sizes=(2,)
    )


def test_batches_of_mixed_pairs(config):
    shapes = Counter()
    for batch in take(make_edit_iterator(config), 4):
        b, n, _ = batch["source"].shape
        shapes[b, n] += 1
        types = {k: str(v.dtype) for k, v in batch.items() if k not in ("id", "replaced")}
        assert types == {
            "source": "float32",
            "audio": "float32",
            "lengths": "int32",
            "drop_condition": "bool",
            "drop_source": "bool",
            "token_ids": "int32",
            "token_mask": "bool",
            "token_spans": "float32",
        }
        assert batch["audio"].shape == (b, n, 1) and batch["token_spans"].shape == (b, 64, 2)
        for source, target, length in zip(
            batch["source"], batch["audio"], batch["lengths"], strict=True
        ):
            assert source[:length].any()
            assert not source[length:].any() and not target[length:].any()
    assert shapes.keys() == {(4, 24000), (2, 32000)}


def test_what_the_text_says(config, manifests):
    """The instruction, the named sound, and its time on the tokens that name it."""
    edits = dataclasses.replace(config.edits, timeline=1.0, negatives=0.0)
    config = dataclasses.replace(config, edits=edits, view_dropout=0.0, source_dropout=0.5)
    tokenizer = json.loads((manifests / "tokenizer.json").read_text())
    vocabulary = {number: text for text, number in tokenizer["model"]["vocab"].items()}
    vocabulary |= {token["id"]: token["content"] for token in tokenizer["added_tokens"]}
    dropped = 0
    for batch in take(make_edit_iterator(config), 3):
        dropped += batch["drop_source"].sum()
        for ids, mask, spans in zip(
            batch["token_ids"], batch["token_mask"], batch["token_spans"], strict=True
        ):
            timed = spans[:, 1] > 0
            tags = [vocabulary[i] for i in ids[mask] if vocabulary[i].startswith("<|")]
            assert tags[:2] == ["<|caption|>", "<|sfx|>"][: len(tags)] or "<|asr|>" in tags
            assert timed.any() or mask.all()  # or cut
            assert len({tuple(span) for span in spans[timed]}) <= 1
    assert dropped


def test_stems(config, of_manifest):
    """What is added comes alone, and nothing is restyled."""
    edits = dataclasses.replace(config.edits, kinds={"add": 1.0, "restyle": 3.0})
    first = dataclasses.replace(config, edits=edits, stems=True)
    other = dataclasses.replace(first, edits=dataclasses.replace(edits, kinds={"add": 1.0}))
    other = dataclasses.replace(other, stems=False)
    for alone, mixed in zip(
        *(take(make_edit_iterator(each), 3) for each in (first, other)), strict=True
    ):
        np.testing.assert_array_equal(alone["source"], mixed["source"])
        np.testing.assert_array_equal(alone["audio"] + alone["source"], mixed["audio"])
    clips = _by_id(of_manifest, 6)
    stems = _by_id(dataclasses.replace(of_manifest, stems=True), 6)
    for number in range(2):
        name = f"add/clip{number}"
        event = clips[f"extract/clip{number}"]["audio"]
        np.testing.assert_allclose(stems[name]["audio"], event, atol=1e-7)
        assert not np.allclose(clips[name]["audio"], event, atol=1e-2)


def _by_id(config, count):
    batches = take(make_edit_iterator(config), count)
    return {
        name: {
            key: batch[key][row]
            for key in ("source", "audio", "lengths", "token_spans")
            if key in batch
        }
        for batch in batches
        for row, name in enumerate(batch["id"])
    }


def test_pairs_of_a_manifest(of_manifest, manifests):
    clips = _by_id(of_manifest, 6)
    assert len(clips) == 6
    for number in range(2):
        added, removed, extracted = (
            clips[f"{kind}/clip{number}"] for kind in ("add", "remove", "extract")
        )
        np.testing.assert_array_equal(added["audio"], removed["source"])
        np.testing.assert_array_equal(added["source"], removed["audio"])
        np.testing.assert_allclose(
            extracted["audio"], removed["source"] - removed["audio"], atol=1e-7
        )
    assert "token_spans" not in clips["add/clip0"]
    timed = _by_id(dataclasses.replace(of_manifest, span_share=1.0, view_dropout=0.0), 6)
    spans = timed["remove/clip1"]["token_spans"]
    assert {tuple(span) for span in spans} == {(0.0, 0.0), (0.25, 0.5)}
    assert not timed["remove/clip0"]["token_spans"].any()  # it has none


def test_long_pairs_are_cut_alike(of_manifest):
    config = dataclasses.replace(of_manifest, buckets=(0.4,), span_share=1.0, view_dropout=0.0)
    whole = _by_id(of_manifest, 6)
    for name, clip in _by_id(config, 6).items():
        assert clip["source"].shape == (6400, 1)
        windows = np.lib.stride_tricks.sliding_window_view(whole[name]["source"][:, 0], 6400)
        start = int(np.flatnonzero((windows == clip["source"][:, 0]).all(axis=1))[0])
        np.testing.assert_array_equal(clip["audio"], whole[name]["audio"][start : start + 6400])
        for begin, end in {tuple(span) for span in clip["token_spans"]} - {(0.0, 0.0)}:
            assert begin == pytest.approx(max(0, 0.25 - start / 16000), abs=1e-6)
            assert end == pytest.approx(min(0.4, 0.5 - start / 16000), abs=1e-6)


def test_both_kinds_of_pairs_are_mixed(config, pairs):
    config = dataclasses.replace(config, manifests=((str(pairs), 1.0),))
    names = [name for batch in take(make_edit_iterator(config), 6) for name in batch["id"]]
    live = sum(name.startswith("edit ") for name in names)
    assert 0.3 <= live / len(names) <= 0.7


def test_resume_is_exact_and_processes_load_their_rows(config):
    iterator = make_edit_iterator(config)
    whole = take(iterator, 2)
    state = json.loads(json.dumps(iterator.get_state()))
    expected = take(iterator, 2)
    fresh = make_edit_iterator(config)
    fresh.set_state(state)
    for first, second in zip(expected, take(fresh, 2), strict=True):
        assert_same(first, second)
    parts = [take(make_edit_iterator(config, nth_rows(index, 2)), 2) for index in range(2)]
    for both, *halves in zip(whole, *parts, strict=True):
        assert_same(both, {k: np.concatenate([half[k] for half in halves]) for k in both})


def test_clips_of_other_lengths_are_refused(of_manifest, pairs, tmp_path):
    row = json.loads(pairs.read_text().splitlines()[0])
    clips = {name: str(pairs.parent / row[name]) for name in ("input", "output")}
    soundfile.write(tmp_path / "short.wav", np.ones(8000), 16000)
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(row | clips | {"output": "short.wav"}))
    config = dataclasses.replace(of_manifest, manifests=((str(path), 1.0),))
    with pytest.raises(ValueError, match="pair 'add/clip0': .* has 16000 samples and .* has 8000"):
        next(make_edit_iterator(config))


def test_a_clip_is_held_out_with_all_of_its_pairs(of_manifest):
    names = {}
    for split in ("train", "val"):
        config = dataclasses.replace(of_manifest, holdout=0.5, split=split, batch_sizes=(1,))
        with pytest.warns(UserWarning, match="held out"):
            names[split] = _by_id(config, 6).keys()
    assert len(names["train"]) == len(names["val"]) == 3
    sides = [{name.split("/")[1] for name in side} for side in names.values()]
    assert not sides[0] & sides[1]


def test_within_a_shorter_model(config):
    config = dataclasses.replace(
        config, edits=dataclasses.replace(config.edits, buckets=(1.0, 3.0))
    )
    shorter = config.within(1.5, 32)
    assert (shorter.buckets, shorter.edits.buckets, shorter.max_tokens) == ((1.5,), (4.0,), (32,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edits": None}, "data.manifests is empty"),
        ({"buckets": (1.0,), "batch_sizes": (1,)}, "edits.buckets=.*one per buckets"),
        ({"source_dropout": 2.0}, "source_dropout=2.0"),
        ({"span_share": -1.0}, "span_share"),
        ({"crop": "end"}, "crop='end'"),
        ({"sample_rate": 0}, "sample_rate=0"),
    ],
)
def test_settings_are_checked(config, changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(config, **changes)


def test_a_bucket_in_which_no_pair_fits(config):
    edits = dataclasses.replace(config.edits, buckets=(1.0,))
    config = dataclasses.replace(config, edits=edits, buckets=(0.3,), batch_sizes=(1,))
    with pytest.raises(ValueError, match=r"data.edits.buckets\[0\]=1.0: no pair fits in 0.3 s"):
        make_edit_iterator(config)
