"""Clips of a benchmark to listen to, as its networks hear them."""

from audiogen_jax.evaluate.benchmarks.benchmark import Benchmark
from audiogen_jax.evaluate.benchmarks.hearing import read_clip
from audiogen_jax.evaluate.benchmarks.matching import Matched
from audiogen_jax.evaluate.examples import Example, spread_rows


def clips_to_hear(benchmark: Benchmark, matched: Matched, count: int) -> list[Example]:
    """Some clips, each with its prompt and reference where they are known.

    Args:
      benchmark: how clips are read.
      matched: all of them.
      count: how many of each category, at most.

    Raises:
      OSError, ValueError: a file cannot be read.
    """
    references = {clip.clip_id: clip for clip in matched.references or ()}
    examples = []
    for category in dict.fromkeys(matched.categories):
        rows = [row for row, each in enumerate(matched.categories) if each == category]
        for row in (rows[place] for place in spread_rows(count, len(rows))):
            clip = matched.clips[row]
            files = {"scored": clip}
            if matched.paired:
                files["reference"] = references[clip.clip_id]
            prompt = matched.prompts[row].caption if matched.prompts is not None else None
            examples.append(
                Example(
                    clip.clip_id,
                    {name: read_clip(file, benchmark)[0] for name, file in files.items()},
                    benchmark.sample_rate,
                    prompt.format() if prompt is not None else "",
                    f"category {category}" if category is not None else "",
                )
            )
    return examples
