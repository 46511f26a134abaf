"""Clips that cannot be read, and positions that do not depend on who reads."""

import dataclasses
import itertools
import json
from typing import NamedTuple

import grain
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiogen_jax.input.audio_batches import make_iterator
from audiogen_jax.input.replacement import LoadOrReplace
from audiogen_jax.input.resumable import ResumableBatches
from audiogen_jax.input.row_errors import TOLERATED


class Example(NamedTuple):
    clip_id: str
    text: str


def load(clip: str, rng: np.random.Generator) -> Example:
    if clip.startswith("unreadable"):
        raise ValueError(f"{clip} cannot be read")
    if clip.startswith("gone"):
        raise FileNotFoundError(f"no audio file at {clip}")
    return Example(clip, "\ud83d" if clip.startswith("surrogate") else "a dog")


KINDS = st.sampled_from(["good", "good", "good", "unreadable", "gone", "surrogate"])


@given(st.lists(KINDS, min_size=1, max_size=8), st.integers(0, 7))
def test_the_next_clip_that_can_be_read(kinds: list[str], number: int):
    clips = [f"{kind}-{i}" for i, kind in enumerate(kinds)]
    number %= len(clips)
    chain = [clips[(number + i) % len(clips)] for i in range(len(clips))]
    good = next((i for i, clip in enumerate(chain) if clip.startswith("good")), None)
    loader, rng = LoadOrReplace(clips, load), np.random.default_rng(0)
    if good is None:
        with pytest.raises(ValueError, match=f"no clip of {len(clips)} can be read; the first: "):
            loader(number, rng)
        return
    for _ in range(2):  # again as before
        example, problems = loader(number, rng)
        assert example.clip_id == chain[good] and len(problems) == good
        assert all(clip in problem for clip, problem in zip(chain, problems, strict=False))


def test_too_many_stop_it():
    clips = [f"{'unreadable' if i % 2 else 'good'}-{i}" for i in range(100)]
    loader, rng = LoadOrReplace(clips, load), np.random.default_rng(0)
    for number in range(2 * TOLERATED + 1):
        loader(number, rng)
    with pytest.raises(ValueError, match=r"21 of 100 clips of a set are bad: .* unreadable-41 "):
        loader(2 * TOLERATED + 1, rng)


def test_words_that_last_longer_than_stated_are_named_and_replaced(config, misstated, tmp_path):
    """Their bucket would cut them; it may cut what is longer than all buckets, as is documented."""
    rows = [
        {"audio_id": r.audio_id, "path": r.path.name, "duration": 0.4, "caption": "x", "asr": "x"}
        for r in misstated
    ]
    rows[1]["duration"] = 3.0
    del rows[2]["asr"]  # a sound, of which any part will do
    manifest = tmp_path / "misstated.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)))
    config = dataclasses.replace(config, manifests=((str(manifest), 1.0),))
    batches = list(itertools.islice(make_iterator(config), 9))
    assert {*np.concatenate([batch["id"] for batch in batches])} == {"misstated1", "misstated2"}
    replaced = {*np.concatenate([batch["replaced"] for batch in batches])} - {""}
    assert len(replaced) == 1 and "clip 'misstated0'" in replaced.pop()


def numbers(workers: int = 0, threads: int = 1) -> ResumableBatches[int]:
    return ResumableBatches(grain.MapDataset.range(100).repeat(), workers, threads)


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(1, 4)), max_size=4))
def test_a_position_is_a_number(stops: list[tuple[int, int]]):
    state, read = {"next_index": 0}, []
    for count, threads in stops:
        batches = numbers(threads=threads)
        batches.set_state(state)
        read += [next(batches) for _ in range(count)]
        state = batches.get_state()
    assert read == [*range(len(read))] and state == {"next_index": len(read)}


@pytest.mark.parametrize(
    "shares", [[5], [3, 2], [2, 2, 1], [1, 0, 0, 0], [5, None]], ids=lambda x: str(len(x))
)
def test_positions_of_grain_with_workers(shares: list[int | None]):
    """As 0.1 wrote them, one share for each worker."""
    states = [None if share is None else {"next_index": share} for share in shares]
    batches = numbers()
    batches.set_state({"iterators_in_use_states": states, "exhausted": [0] * len(shares)})
    assert next(batches) == sum(share or 0 for share in shares)
