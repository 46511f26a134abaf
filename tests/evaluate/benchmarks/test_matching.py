"""Clips, prompts and references by id: every difference is named."""

from pathlib import Path

import pytest

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.evaluate.benchmarks.clip_files import ClipFile
from audiogen_jax.evaluate.benchmarks.matching import match
from audiogen_jax.evaluate.benchmarks.table import BENCHMARKS, benchmark
from audiogen_jax.input.prompts import PromptRecord


def clips(names: str, category: str | None = None) -> list[ClipFile]:
    return [ClipFile(name, Path(f"{name}.wav"), category) for name in sorted(names)]


def prompts(names: str, category: str | None = None) -> list[PromptRecord]:
    return [PromptRecord(name, StructuredCaption(f"sound {name}"), category) for name in names]


AUDIOCAPS, MECAT = benchmark("audiocaps"), benchmark("mecat")


def test_pairs_by_id_whatever_the_order():
    matched = match(AUDIOCAPS, clips("abc"), prompts("cab"), clips("bca"), False)
    assert [prompt.audio_id for prompt in matched.prompts or ()] == ["a", "b", "c"]
    assert matched.paired and matched.notes == () and matched.categories == (None,) * 3


def test_what_differs_is_named_or_left_out_and_said():
    arguments = AUDIOCAPS, clips("abcx"), prompts("abcd"), clips("abce")
    with pytest.raises(ValueError, match="1 without prompt: 'x'; 1 without audio: 'd'.*--partial"):
        match(*arguments, False)
    matched = match(*arguments, True)
    assert [clip.clip_id for clip in matched.clips] == ["a", "b", "c"]
    assert [clip.clip_id for clip in matched.references or ()] == ["a", "b", "c", "e"]
    assert matched.notes == (
        "1 without prompt: 'x'", "1 without audio: 'd'", "1 without audio: 'e'"
    )  # fmt: skip
    with pytest.raises(ValueError, match="no audio has the id of a prompt: 'a' and 'b'"):
        match(AUDIOCAPS, clips("a"), prompts("b"), None, True)


def test_other_clips_are_a_set():
    matched = match(AUDIOCAPS, clips("ab"), None, clips("xyz"), False)
    assert not matched.paired and len(matched.references or ()) == 3
    assert "no reference has the id" in matched.notes[0]


def test_categories():
    matched = match(MECAT, clips("ab"), prompts("ab", "S0A"), clips("ab"), False)
    assert matched.categories == matched.reference_categories == ("S0A", "S0A")
    matched = match(MECAT, clips("ab"), None, clips("ab", "0M0"), False)
    assert matched.categories == ("0M0", "0M0")
    with pytest.raises(ValueError, match="clip 'a' has no category"):
        match(MECAT, clips("ab"), prompts("ab"), None, False)
    with pytest.raises(ValueError, match="'a' is of category 'S0A' in one list and '0M0' in an"):
        match(MECAT, clips("ab"), prompts("ab", "S0A"), clips("ab", "0M0"), False)
    with pytest.raises(ValueError, match="category 'XXX': mecat has 00A, 0M0"):
        match(MECAT, clips("ab", "XXX"), None, None, False)
    with pytest.raises(ValueError, match="clip 'x' has no category"):
        match(MECAT, clips("ab", "0M0"), None, clips("xy"), False)
    whichever = match(benchmark("tta-bench"), clips("ab", "toxicity"), None, None, False)
    assert whichever.categories == ("toxicity",) * 2


def test_a_suite_by_name():
    with pytest.raises(ValueError, match=f"expected nano or one of {', '.join(BENCHMARKS)}"):
        benchmark("speed")
