import dataclasses
import itertools
import json
import re
from collections import Counter

import ml_dtypes
import numpy as np
import pytest

from audiogen_jax.input.latent_batches import LatentDataConfig, make_latent_iterator
from audiogen_jax.input.latent_records import LatentRecord
from tests.input.conftest import nth_rows
from tests.latent_folder import TOKENIZER, random_latents, write_dataset

CHANNELS = 8
TRAINED = 14
TEXTS = ("id", "replaced")


def clip(name: str, number: int) -> LatentRecord:
    """0.4 to 2.28 s, each frame telling its place."""
    latents = random_latents(np.random.default_rng(number), 10 + 3 * number, CHANNELS)
    latents[:, 0] = 1 + np.arange(len(latents))
    views = {"caption": (f"The sound {name}.", "A sound."), "sfx": ("a noise",)}
    split = "train" if number < TRAINED else "val"
    return LatentRecord(f"{name}/{number}", split, views, latents)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("latents")
    clips = [[clip(name, number) for number in range(16)] for name in "ab"]
    for name, each in zip("ab", clips, strict=True):
        write_dataset(root / name, [each[start : start + 6] for start in (0, 6, 12)], CHANNELS)
    return root


@pytest.fixture
def config(folders, manifests):
    return LatentDataConfig(
        datasets=((str(folders / "a"), 1.0), (str(folders / "b"), 1.0)),
        buckets=(1.0, 1.6),
        batch_sizes=(4, 2),
        text_tokenizer=str(manifests / "tokenizer.json"),
        max_tokens=(32, 48),
        holdout=0.0,
        seed=7,
        tokenizer_hash=TOKENIZER,
    )


def one_set(config, **changes):
    """The first dataset in one bucket."""
    changes = {"buckets": (2.0,), "batch_sizes": (1,), "max_tokens": 32, **changes}
    return dataclasses.replace(config, datasets=config.datasets[:1], **changes)


def take(iterator, count):
    return list(itertools.islice(iterator, count))


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_shapes_and_types(config):
    shapes = Counter()
    for batch in take(make_latent_iterator(config), 40):
        b, t, c = batch["latents"].shape
        shapes[b, t, c, batch["token_ids"].shape] += 1
        assert batch["token_mask"].shape == batch["token_ids"].shape
        assert batch["lengths"].shape == batch["drop_condition"].shape == batch["id"].shape == (b,)
        types = {
            name: array.dtype for name, array in batch.items() if name not in ("id", "replaced")
        }
        assert types == {
            "latents": ml_dtypes.bfloat16,
            "lengths": np.int32,
            "drop_condition": bool,
            "token_ids": np.int32,
            "token_mask": bool,
        }
    assert shapes.keys() == {(4, 25, CHANNELS, (4, 32)), (2, 40, CHANNELS, (2, 48))}


@pytest.mark.parametrize("crop", ["random", "start"])
def test_windows_are_cut_from_the_clip_and_padded_with_zeros(config, crop):
    starts = Counter()
    config = dataclasses.replace(config, crop=crop)
    for batch in take(make_latent_iterator(config), 60):
        for latents, length, name in zip(
            batch["latents"], batch["lengths"], batch["id"], strict=True
        ):
            whole = clip(*name.split("/")[:1], int(name.split("/")[1])).latents
            start = int(latents[0, 0]) - 1
            np.testing.assert_array_equal(latents[:length], whole[start : start + length])
            assert not latents[length:].any()
            assert length == min(len(whole), len(latents))
            starts[start] += 1
    assert len(starts) == 1 if crop == "start" else len(starts) > 5


def test_weights_are_shares_of_clips(config):
    datasets = ((config.datasets[0][0], 3.0), (config.datasets[1][0], 1.0))
    batches = take(make_latent_iterator(dataclasses.replace(config, datasets=datasets)), 200)
    drawn = Counter(name[0] for batch in batches for name in batch["id"])
    assert drawn["a"] / drawn.total() == pytest.approx(0.75, abs=0.02)


def test_an_epoch_visits_every_clip_of_the_split_once_in_a_new_order(config):
    iterator = make_latent_iterator(one_set(config))
    epochs = [[batch["id"][0] for batch in take(iterator, TRAINED)] for _ in range(3)]
    expected = sorted(f"a/{number}" for number in range(TRAINED))
    assert all(sorted(epoch) == expected for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    held_out = take(make_latent_iterator(one_set(config, split="val")), 4)
    assert {batch["id"][0] for batch in held_out} == {"a/14", "a/15"}


@pytest.mark.parametrize("num_workers", [0, 1])
def test_resume_is_exact_in_the_middle_of_an_epoch(config, num_workers):
    config = dataclasses.replace(config, num_workers=num_workers)
    iterator = make_latent_iterator(config)
    take(iterator, 9)
    state = json.loads(json.dumps(iterator.get_state()))
    expected = take(iterator, 6)
    fresh = make_latent_iterator(config)
    fresh.set_state(state)
    for first, second in zip(expected, take(fresh, 6), strict=True):
        assert_same(first, second)


def test_equal_seeds_repeat_and_others_differ(config):
    runs = [
        take(make_latent_iterator(dataclasses.replace(config, seed=seed)), 5) for seed in (1, 1, 2)
    ]
    for first, second in zip(*runs[:2], strict=True):
        assert_same(first, second)
    assert any((a["id"] != c["id"]).any() for a, c in zip(runs[0], runs[2], strict=True))


def test_workers_and_threads_change_nothing(config):
    expected = take(make_latent_iterator(config), 6)
    for change in ({"num_workers": 2}, {"num_threads": 1}):
        found = take(make_latent_iterator(dataclasses.replace(config, **change)), 6)
        for first, second in zip(expected, found, strict=True):
            assert_same(first, second)


@pytest.mark.parametrize("count", [2, 4])
def test_processes_share_the_batches_of_one(config, count):
    config = one_set(config, buckets=(1.0, 1.6), batch_sizes=(4, 8))
    whole = take(make_latent_iterator(config), 12)
    parts = [
        take(make_latent_iterator(config, nth_rows(index, count)), 12) for index in range(count)
    ]
    for index, part in enumerate(parts):
        for batch, share in zip(whole, part, strict=True):
            rows = {name: np.split(array, count)[index] for name, array in batch.items()}
            assert_same(rows, share)


def test_processes_may_load_any_rows_of_a_batch(config):
    """Not neighbours, and some of them in both, as where layers are shared between processes."""
    config = one_set(config, buckets=(1.0, 1.6), batch_sizes=(4, 8))
    whole = take(make_latent_iterator(config), 6)
    for rows in (lambda size: [0, size - 1], lambda size: range(0, size, 3)):
        for batch, loaded in zip(whole, take(make_latent_iterator(config, rows), 6), strict=True):
            chosen = list(rows(len(batch["id"])))
            assert_same({name: array[chosen] for name, array in batch.items()}, loaded)


def test_processes_draw_the_clips_of_one_from_a_mixture(config):
    config = dataclasses.replace(config, buckets=(2.0,), batch_sizes=(4,), max_tokens=32)

    def drawn(iterators):
        batches = [batch for iterator in iterators for batch in take(iterator, 8)]
        rows = [
            (name, *latents.ravel().tolist(), *tokens.tolist())
            for batch in batches
            for name, latents, tokens in zip(
                batch["id"], batch["latents"], batch["token_ids"], strict=True
            )
        ]
        return sorted(rows)

    parts = drawn(make_latent_iterator(config, nth_rows(index, 2)) for index in range(2))
    assert parts == drawn([make_latent_iterator(config)])


def test_rates_of_dropping(config):
    config = one_set(config, batch_sizes=(50,), view_dropout=1.0, condition_dropout=0.3)
    batches = take(make_latent_iterator(config), 12)
    drops = np.concatenate([batch["drop_condition"] for batch in batches])
    assert drops.mean() == pytest.approx(0.3, abs=0.05)
    # Two phrasings of the caption, and no effects.
    assert len({row.tobytes() for batch in batches for row in batch["token_ids"]}) == 2


def test_without_a_text_tokenizer_there_are_no_tokens(config):
    batch = next(make_latent_iterator(dataclasses.replace(config, text_tokenizer=None)))
    assert batch.keys() == {"latents", "lengths", "drop_condition", "id", "replaced"}


def test_latents_of_another_tokenizer_are_refused(config, folders, tmp_path):
    with pytest.raises(ValueError, match=f"a holds latents of tokenizer {TOKENIZER}, expected 2a"):
        make_latent_iterator(dataclasses.replace(config, tokenizer_hash="2a"))
    other = str(write_dataset(tmp_path / "other", [[clip("c", 1)]], CHANNELS, tokenizer="3c"))
    mixed = ((str(folders / "a"), 1.0), (other, 1.0))
    with pytest.raises(ValueError, match=f"other holds latents of tokenizer 3c, .* {TOKENIZER}"):
        make_latent_iterator(dataclasses.replace(config, datasets=mixed, tokenizer_hash=""))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_corrupted_record_is_named_and_replaced(config, tmp_path, num_workers):
    folder = write_dataset(tmp_path / "c", [[clip("c", number) for number in range(4)]], CHANNELS)
    shard = folder / "latents-00000-of-00001.arrayrecord"
    needle = clip("c", 2).latents.tobytes()
    contents = shard.read_bytes()
    assert contents.count(needle) == 1
    shard.write_bytes(contents.replace(needle, needle[:-3] + b"zzz"))
    broken = dataclasses.replace(config, datasets=((str(folder), 1.0),), num_workers=num_workers)
    batches = take(make_latent_iterator(broken), 8)
    replaced = [message for batch in batches for message in batch["replaced"] if message]
    assert replaced and clip("c", 2).audio_id not in {i for batch in batches for i in batch["id"]}
    assert all(re.search(f"{shard.name}, record 2 cannot be .*restore", m) for m in replaced)


def test_a_missing_shard_is_named_at_once(config, tmp_path):
    folder = write_dataset(tmp_path / "c", [[clip("c", 1)], [clip("c", 2)]], CHANNELS)
    (folder / "latents-00001-of-00002.arrayrecord").unlink()
    with pytest.raises(FileNotFoundError, match="latents-00001-of-00002.arrayrecord is missing"):
        make_latent_iterator(dataclasses.replace(config, datasets=((str(folder), 1.0),)))


def test_a_clip_without_caption_is_named(config, tmp_path):
    silent = dataclasses.replace(clip("c", 1), audio_id="quiet", views={"sfx": ("x",)})
    folder = write_dataset(tmp_path / "c", [[clip("c", 2), silent]], CHANNELS)
    config = dataclasses.replace(config, datasets=((str(folder), 1.0),))
    with pytest.raises(ValueError, match="clip 'quiet' has no caption"):
        make_latent_iterator(config)
    next(make_latent_iterator(dataclasses.replace(config, text_tokenizer=None)))
    with pytest.raises(ValueError, match="no clips of split 'val'"):
        make_latent_iterator(dataclasses.replace(config, split="val"))


@pytest.mark.parametrize(
    "wrong",
    [{"datasets": ()}, {"datasets": (("a", 0.0),)}, {"crop": "loud"}, {"split": "test"}],
)
def test_wrong_settings_are_named(config, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        dataclasses.replace(config, **wrong)
