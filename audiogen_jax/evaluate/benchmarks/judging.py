"""What a listening judge gets of a benchmark's clips."""

import functools
from collections.abc import Mapping

from audiogen_jax.evaluate.benchmarks.benchmark import Benchmark
from audiogen_jax.evaluate.benchmarks.clip_files import ClipFile
from audiogen_jax.evaluate.benchmarks.group import caption_of, words_of
from audiogen_jax.evaluate.benchmarks.hearing import read_clip
from audiogen_jax.evaluate.benchmarks.matching import Matched
from audiogen_jax.evaluate.listening.judge import ListeningJudge
from audiogen_jax.evaluate.listening.listen import ATTEMPTS, Sheet
from audiogen_jax.evaluate.listening.rubric import CRITERIA
from audiogen_jax.files.audio import encode_audio


def sheets_of(benchmark: Benchmark, matched: Matched) -> list[Sheet]:
    """A sheet for each clip, as the benchmark hears it.

    Raises:
      ValueError: there are no prompts, or one has no caption.
    """
    if matched.prompts is None:
        raise ValueError("a judge needs prompts, to know what the clips should be")
    return [
        Sheet(
            clip.clip_id,
            caption_of(prompt),
            words_of(prompt),
            functools.partial(_wav, clip, benchmark),
        )
        for clip, prompt in zip(matched.clips, matched.prompts, strict=True)
    ]


def judging(judge: ListeningJudge) -> Mapping[str, object]:
    """What the protocol says of a judge."""
    return {**judge.identity, "rubric": CRITERIA, "attempts": ATTEMPTS}


def _wav(clip: ClipFile, benchmark: Benchmark) -> bytes:
    samples, _, _ = read_clip(clip, benchmark)
    return encode_audio(samples, benchmark.sample_rate, ".wav").contents
