import dataclasses
import itertools
import json
import shutil
from collections import Counter

import numpy as np
import pytest
import soundfile

from audiogen_jax.caption import VIEWS
from audiogen_jax.input.audio_batches import DataConfig, make_iterator
from audiogen_jax.input.manifest import read_manifest
from audiogen_jax.input.scenes.config import SceneConfig
from data.train_text_tokenizer import SPECIAL_TOKENS
from tests.input.conftest import nth_rows

TEXTS = ("id", "replaced")


def take(iterator, count):
    return list(itertools.islice(iterator, count))


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def one_set(config, name, **changes):
    """The configuration with the one manifest `name`, one clip per batch."""
    folder = config.manifests[0][0].removesuffix("esc10.jsonl")
    changes = {"buckets": (2.0,), "batch_sizes": (1,), **changes}
    return dataclasses.replace(config, manifests=((f"{folder}{name}.jsonl", 1.0),), **changes)


def test_shapes_are_fixed_per_bucket(config):
    shapes = Counter()
    for batch in take(make_iterator(config), 40):
        b, n, a = batch["audio"].shape
        shapes[b, n, a] += 1
        assert batch["lengths"].shape == batch["drop_condition"].shape == batch["id"].shape == (b,)
        assert batch["token_ids"].shape == batch["token_mask"].shape == (b, 48)
        types = {
            name: str(array.dtype)
            for name, array in batch.items()
            if name not in ("id", "replaced")
        }
        assert types == {
            "audio": "float32",
            "lengths": "int32",
            "drop_condition": "bool",
            "token_ids": "int32",
            "token_mask": "bool",
        }
    assert shapes.keys() == {(4, 24000, 1), (2, 32000, 1)}


def test_lengths_tell_where_padding_begins_and_no_clip_is_silent(config):
    for batch in take(make_iterator(config), 40):
        for audio, length in zip(batch["audio"], batch["lengths"], strict=True):
            assert 0 < length <= len(audio)
            assert np.abs(audio[:length]).max() > 1e-3
            assert audio[length - 1] != 0 or length == len(audio)
            assert not audio[length:].any()


def test_rate_and_channels_are_those_of_the_config(config):
    config = dataclasses.replace(config, sample_rate=44100, channels=2, gain_db=6.0)
    for batch in take(make_iterator(config), 8):
        assert batch["audio"].shape in {(4, 66150, 2), (2, 88200, 2)}
        # The committed clips are mono.
        np.testing.assert_array_equal(batch["audio"][..., 0], batch["audio"][..., 1])
        for audio, length in zip(batch["audio"], batch["lengths"], strict=True):
            assert np.abs(audio[:length]).max() > 1e-3 and not audio[length:].any()


def test_a_clip_with_samples_that_are_not_finite_is_named(config, tmp_path):
    soundfile.write(tmp_path / "nan.wav", np.append(np.ones(9000), np.nan), 16000, "FLOAT")
    manifest = tmp_path / "nan.jsonl"
    manifest.write_text('{"audio_id": "x", "path": "nan.wav", "duration": 0.5, "caption": "x"}')
    iterator = make_iterator(dataclasses.replace(config, manifests=((str(manifest), 1.0),)))
    with pytest.raises(ValueError, match=r"nan\.wav holds NaN or infinite samples; restore"):
        next(iterator)


def test_weights_are_shares_of_clips(config):
    manifests = ((config.manifests[0][0], 3.0), (config.manifests[1][0], 1.0))
    batches = take(make_iterator(dataclasses.replace(config, manifests=manifests)), 200)
    drawn = Counter(name.split("/")[0] for batch in batches for name in batch["id"])
    assert drawn["esc10"] / drawn.total() == pytest.approx(0.75, abs=0.02)


def test_an_epoch_visits_every_clip_once_in_a_new_order(config):
    config = one_set(config, "esc10")
    clips = sorted(r.audio_id for r in read_manifest(config.manifests[0][0]) if r.split == "train")
    iterator = make_iterator(config)
    epochs = [[batch["id"][0] for batch in take(iterator, len(clips))] for _ in range(3)]
    assert all(sorted(epoch) == clips for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_splits_are_kept_apart(config):
    drawn = {}
    for split in ("train", "val"):
        iterator = make_iterator(one_set(config, "singles", split=split))
        drawn[split] = {batch["id"][0] for batch in take(iterator, 40)}
    assert not drawn["train"] & drawn["val"]


@pytest.mark.parametrize("position", [3, 17])
def test_resume_is_exact_in_the_middle_of_an_epoch(config, position):
    iterator = make_iterator(config)
    take(iterator, position)
    state = json.loads(json.dumps(iterator.get_state()))
    expected = take(iterator, 6)
    fresh = make_iterator(config)
    fresh.set_state(state)
    for first, second in zip(expected, take(fresh, 6), strict=True):
        assert_same(first, second)


def test_equal_seeds_repeat_and_others_differ(config):
    batches = [take(make_iterator(dataclasses.replace(config, seed=seed)), 5) for seed in (1, 1, 2)]
    for first, second in zip(*batches[:2], strict=True):
        assert_same(first, second)
    assert any((a["id"] != c["id"]).any() for a, c in zip(batches[0], batches[2], strict=True))


def test_draws_depend_on_seed_set_and_position(config, tmp_path):
    """One clip under two names in two sets: each time it is seen its gain is another."""
    soundfile.write(tmp_path / "a.wav", np.full(8000, 0.25), 16000, "FLOAT")
    for name in "ab":
        row = {"audio_id": name, "path": "a.wav", "duration": 0.5, "caption": "a sound"}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row))
    config = dataclasses.replace(
        config,
        manifests=tuple((str(tmp_path / f"{name}.jsonl"), 1.0) for name in "ab"),
        gain_db=6.0,
    )
    batches = [
        batch
        for seed in (1, 2)
        for batch in take(make_iterator(dataclasses.replace(config, seed=seed)), 8)
    ]
    gains = np.concatenate([batch["audio"][:, 0, 0] / 0.25 for batch in batches])
    assert len(np.unique(gains)) == len(gains) == 64
    assert gains.min() >= 10 ** (-6 / 20) and gains.max() <= 10 ** (6 / 20)


def test_processes_are_disjoint_and_cover_the_epoch(config):
    clips = {
        r.audio_id
        for r in read_manifest(one_set(config, "esc10").manifests[0][0])
        if r.split == "train"
    }
    config = one_set(config, "esc10", batch_sizes=(2,))
    parts = [
        [batch["id"][0] for batch in take(make_iterator(config, nth_rows(i, 2)), len(clips) // 2)]
        for i in range(2)
    ]
    assert not set(parts[0]) & set(parts[1])
    assert len(set(parts[0]) | set(parts[1])) == len(clips) // 2 * 2


def test_examples_do_not_depend_on_the_number_of_processes(config):
    config = one_set(config, "esc10", batch_sizes=(2,), gain_db=6.0)
    whole = take(make_iterator(config), 6)
    for index in range(2):
        for both, part in zip(
            whole, take(make_iterator(config, nth_rows(index, 2)), 6), strict=True
        ):
            assert_same({name: array[index : index + 1] for name, array in both.items()}, part)


@pytest.mark.parametrize("count", [1, 2])
def test_another_number_of_processes_goes_on_from_a_state(config, count):
    """All processes hold the same state, whatever their number."""
    config = dataclasses.replace(config, gain_db=6.0)
    iterators = [make_iterator(config, nth_rows(index, 2)) for index in range(2)]
    for iterator in iterators:
        take(iterator, 5)
    first, second = (json.dumps(iterator.get_state()) for iterator in iterators)
    assert first == second
    resumed = [make_iterator(config, nth_rows(index, count)) for index in range(count)]
    for iterator in resumed:
        iterator.set_state(json.loads(first))
    whole = make_iterator(config)
    take(whole, 5)
    for expected, *parts in zip(
        *(take(iterator, 6) for iterator in (whole, *resumed)), strict=True
    ):
        assert_same(
            expected,
            {name: np.concatenate([part[name] for part in parts]) for name in expected},
        )


def test_all_processes_use_the_same_bucket_at_every_step(config):
    lengths = [
        [batch["audio"].shape for batch in take(make_iterator(config, nth_rows(index, 2)), 20)]
        for index in range(2)
    ]
    assert lengths[0] == lengths[1]
    assert {shape[0] for shape in lengths[0]} == {2, 1}


def tag_rates(config, count):
    """Share of clips whose tokens hold each tag."""
    ids = np.concatenate([batch["token_ids"] for batch in take(make_iterator(config), count)])
    return {
        tag: (ids == SPECIAL_TOKENS.index(f"<|{tag}|>")).any(axis=1).mean()
        for tag in ("caption", "speech", "asr", "music")
    }


def test_views_and_conditions_are_dropped_at_their_rates(config):
    config = dataclasses.replace(config, view_dropout=0.2, condition_dropout=0.3)
    views = {"caption": ("a word",), "speech": ("a voice", "a man"), "asr": ("yes",)}
    rng = np.random.default_rng(0)
    texts, drops = zip(*(config.draw_condition(views, rng) for _ in range(3000)), strict=True)
    rates = {view: np.mean([f"<|{view}|>" in text for text in texts]) for view in VIEWS}
    assert rates["caption"] == 1.0 and rates["music"] == rates["sfx"] == rates["env"] == 0.0
    assert rates["speech"] == pytest.approx(0.8, abs=0.03)
    assert rates["asr"] == pytest.approx(0.8, abs=0.03)
    assert np.mean(drops) == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_batches_show_what_was_not_dropped(config, rate):
    config = one_set(config, "words", batch_sizes=(8,), buckets=(1.0,), max_tokens=96)
    config = dataclasses.replace(config, view_dropout=rate, condition_dropout=rate)
    rates = tag_rates(config, 1)
    assert rates["caption"] == 1.0 and rates["speech"] == rates["asr"] == 1.0 - rate
    assert (next(make_iterator(config))["drop_condition"] == bool(rate)).all()


def test_phrasings_vary(config):
    config = one_set(config, "words", batch_sizes=(24,), view_dropout=1.0)
    tokens = {row.tobytes() for row in next(make_iterator(config))["token_ids"]}
    assert len(tokens) > 5  # four clips


def test_without_a_tokenizer_there_are_no_tokens(config):
    batch = next(make_iterator(dataclasses.replace(config, text_tokenizer=None)))
    assert batch.keys() == {"audio", "lengths", "drop_condition", "id", "replaced"}


def test_worker_processes_give_the_same_batches(config):
    workers = make_iterator(dataclasses.replace(config, num_workers=1))
    for first, second in zip(take(make_iterator(config), 4), take(workers, 4), strict=True):
        assert_same(first, second)


def test_a_corrupted_clip_is_named_and_replaced(config, tmp_path):
    records = read_manifest(config.manifests[1][0])
    for record in records:
        shutil.copy(record.path, tmp_path / record.path.name)
    broken = records[0].path.name
    (tmp_path / broken).write_bytes(b"fLaC and nothing more")
    rows = [
        {"audio_id": r.audio_id, "path": r.path.name, "duration": r.duration, "caption": "a sound"}
        for r in records
    ]
    manifest = tmp_path / "broken.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)))
    config = dataclasses.replace(config, manifests=((str(manifest), 1.0),))
    batches = take(make_iterator(config), 20)
    ids = np.concatenate([batch["id"] for batch in batches])
    replaced = np.concatenate([batch["replaced"] for batch in batches])
    assert records[0].audio_id not in ids and set(ids) == {r.audio_id for r in records[1:]}
    assert 0 < np.sum(replaced != "") < len(ids) / 2
    assert all(f"{broken} is not audio" in message for message in replaced if message)
    halves = [take(make_iterator(config, nth_rows(process, 2)), 4) for process in (0, 1)]
    for whole, first, second in zip(batches, *halves, strict=False):
        for name in ("id", "audio", "replaced"):
            np.testing.assert_array_equal(whole[name], np.concatenate([first[name], second[name]]))


def test_a_clip_without_caption_is_named(config, tmp_path):
    manifest = tmp_path / "uncaptioned.jsonl"
    manifest.write_text('{"audio_id": "x", "path": "x.flac", "duration": 1}')
    config = dataclasses.replace(config, manifests=((str(manifest), 1.0),))
    with pytest.raises(ValueError, match="clip 'x' has no caption"):
        make_iterator(config)


def test_an_empty_split_is_named(config, tmp_path):
    manifest = tmp_path / "train_only.jsonl"
    manifest.write_text('{"audio_id": "x", "path": "x.flac", "duration": 1, "caption": "x"}')
    config = dataclasses.replace(config, manifests=((str(manifest), 1.0),), split="val")
    with pytest.raises(ValueError, match="no clips of split 'val'"):
        make_iterator(config)


@pytest.mark.parametrize(
    "wrong",
    [
        {"manifests": ()},
        {"manifests": (("a.jsonl", 0.0),)},
        {"split": "test"},
        {"buckets": (2.0, 1.5)},
        {"buckets": (0.0, 1.5)},
        {"batch_sizes": (4,)},
        {"batch_sizes": (4, 0)},
        {"crop": "middle"},
        {"sample_rate": 0},
        {"channels": 0},
        {"max_tokens": (48, 48, 48)},
        {"view_dropout": 1.2},
        {"condition_dropout": -0.1},
    ],
)
def test_wrong_settings_are_named(config, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DataConfig(**{**dataclasses.asdict(config), **wrong})


@pytest.mark.parametrize("rows", [[], [1, 0], [0, 0], [3, 4], [-1]])
def test_rows_must_be_of_the_batch(config, rows):
    with pytest.raises(ValueError, match=r"rows .* of a batch of 4 clips: expected ascending"):
        make_iterator(config, lambda size: rows)


@pytest.fixture
def scenes(config, manifests) -> DataConfig:
    """Singles and as many scenes, in the longer of two buckets."""
    made_of = ((str(manifests / "singles.jsonl"), 1.0),)
    mixed = SceneConfig(weight=2.0, buckets=(0.0, 1.0), manifests=made_of, timeline=0.5)
    return dataclasses.replace(config, scenes=mixed, view_dropout=0.0)


def test_scenes_come_in_their_share_and_bucket(scenes):
    named, timed = Counter(), Counter()
    for batch in take(make_iterator(scenes), 60):
        assert batch["token_spans"].shape == (*batch["token_ids"].shape, 2)
        assert batch["token_spans"].dtype == np.float32
        for clip_id, spans, length in zip(
            batch["id"], batch["token_spans"], batch["lengths"], strict=True
        ):
            scene = clip_id.startswith("scene 1:")
            named[scene] += 1
            timed[scene, bool(spans.any())] += 1
            if scene:
                assert 1.5 * 16000 - 1 <= length <= 2 * 16000
                assert spans.max() <= 2.0 + 1e-6
    assert named[True] == pytest.approx(named[False], abs=20)
    assert not timed[False, True]  # single clips are shown without times
    assert timed[True, True] == pytest.approx(timed[True, False], abs=24)


def test_scenes_do_not_depend_on_processes_and_resume(scenes):
    whole = take(make_iterator(scenes), 6)
    halves = [take(make_iterator(scenes, nth_rows(index, 2)), 6) for index in range(2)]
    for batch, *parts in zip(whole, *halves, strict=True):
        joined = {name: np.concatenate([part[name] for part in parts]) for name in batch}
        assert_same(batch, joined)
    iterator = make_iterator(scenes)
    take(iterator, 3)
    resumed = make_iterator(scenes)
    resumed.set_state(iterator.get_state())
    for expected in whole[3:]:
        assert_same(next(resumed), expected)


def test_scenes_are_as_long_as_a_word_at_least(scenes):
    shares = dataclasses.replace(scenes.scenes, buckets=(1.0, 0.0), categories={"S00": 1.0})
    short = dataclasses.replace(scenes, scenes=shares)
    lengths = [
        length / 16000
        for batch in take(make_iterator(short), 20)
        for clip_id, length in zip(batch["id"], batch["lengths"], strict=True)
        if clip_id.startswith("scene")
    ]
    assert len(lengths) > 10 and 0.5 <= min(lengths) and max(lengths) <= 1.5
    with pytest.raises(ValueError, match=r"data.scenes.buckets\[0\]=1.0: no scene fits in 0.3 s"):
        make_iterator(dataclasses.replace(short, buckets=(0.3, 2.0)))


def test_scenes_need_a_share_for_each_bucket(scenes):
    with pytest.raises(ValueError, match=r"scenes.buckets=\(1.0,\)"):
        dataclasses.replace(scenes, scenes=dataclasses.replace(scenes.scenes, buckets=(1.0,)))


def test_scenes_are_as_long_as_the_model_allows(scenes):
    shares = dataclasses.replace(scenes.scenes, buckets=(1.0, 3.0))
    longer = dataclasses.replace(scenes, scenes=shares).within(1.0, 32)
    assert longer.buckets == (1.0,) and longer.bucket_tokens == (32,)
    assert longer.scenes.buckets == (4.0,)
    assert scenes.within(1.8, 32).scenes.buckets == (0.0, 1.0)
