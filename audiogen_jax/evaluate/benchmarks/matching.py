"""Which clip goes with which prompt and which reference."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from audiogen_jax.evaluate.benchmarks.benchmark import Benchmark
from audiogen_jax.evaluate.benchmarks.clip_files import ClipFile
from audiogen_jax.input.prompts import PromptRecord

_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Matched:
    """The clips that are scored, in the order of their ids.

    Attributes:
      clips: generated.
      prompts: of each clip; None if there are none.
      references: all of them, in the order of their ids; None if there are none.
      paired: whether a reference has the id of each clip; if not, they are a set of other clips.
      categories: of each clip.
      reference_categories: of each reference.
      notes: what was left out.
    """

    clips: tuple[ClipFile, ...]
    prompts: tuple[PromptRecord, ...] | None
    references: tuple[ClipFile, ...] | None
    paired: bool
    categories: tuple[str | None, ...]
    reference_categories: tuple[str | None, ...]
    notes: tuple[str, ...]


def match(
    benchmark: Benchmark,
    clips: Sequence[ClipFile],
    prompts: Sequence[PromptRecord] | None,
    references: Sequence[ClipFile] | None,
    partial: bool,
) -> Matched:
    """Pairs clips with prompts and references by id.

    Args:
      benchmark: says whether categories are scored apart.
      clips: generated, in the order of their ids.
      prompts: of them.
      references: in the order of their ids; if none has the id of a clip, they are a set of others.
      partial: score the clips that have all of these, and say how many are left out.

    Raises:
      ValueError: ids that are not in all of them and `partial` is not asked for, ids that are in
        none, or a category that is missing, not of the benchmark, or another in another list.
    """
    ids = {clip.clip_id for clip in clips}
    notes: list[str] = []
    by_id = None if prompts is None else {prompt.audio_id: prompt for prompt in prompts}
    if by_id is not None:
        notes += _differences(ids, "audio", by_id.keys(), "prompt", partial)
        ids &= by_id.keys()
    referred = {} if references is None else {clip.clip_id: clip for clip in references}
    paired = not ids.isdisjoint(referred)
    if paired:
        notes += _differences(ids, "audio", referred.keys(), "reference", partial)
        ids &= referred.keys()
    elif references is not None:
        notes.append(
            "no reference has the id of a clip: what compares the two of a pair is left out"
        )
    kept = tuple(clip for clip in clips if clip.clip_id in ids)
    categories: tuple[str | None, ...] = (None,) * len(kept)
    others: tuple[str | None, ...] = (None,) * len(references or ())
    if benchmark.apart:
        known: dict[str, str] = {}
        for name, category in (
            *((prompt.audio_id, prompt.category) for prompt in prompts or ()),
            *((clip.clip_id, clip.category) for clip in (*clips, *(references or ()))),
        ):
            if category is not None and known.setdefault(name, category) != category:
                raise ValueError(
                    f"clip {name!r} is of category {known[name]!r} in one list and {category!r} in "
                    "another"
                )
        categories = tuple(_category(benchmark, clip.clip_id, known) for clip in kept)
        others = tuple(_category(benchmark, clip.clip_id, known) for clip in references or ())
    return Matched(
        kept,
        None if by_id is None else tuple(by_id[clip.clip_id] for clip in kept),
        None if references is None else tuple(references),
        paired,
        categories,
        others,
        tuple(notes),
    )


def _differences(
    first: Collection[str], one: str, second: Collection[str], other: str, partial: bool
) -> list[str]:
    """A line for each side that has ids of its own.

    Raises:
      ValueError: it has, and `partial` is not asked for; or no id is in both.
    """
    first, second = set(first), set(second)
    if not first & second:
        raise ValueError(f"no {one} has the id of a {other}: {_named(first)} and {_named(second)}")
    lines = [
        f"{len(left)} without {missing}: {_named(left)}"
        for left, missing in ((first - second, other), (second - first, one))
        if left
    ]
    if lines and not partial:
        raise ValueError(
            f"{'; '.join(lines)}. Give all of them, or --partial to score the "
            f"{len(first & second)} that have both"
        )
    return lines


def _named(ids: Collection[str]) -> str:
    names = sorted(ids)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more


def _category(benchmark: Benchmark, clip: str, known: Mapping[str, str]) -> str:
    category = known.get(clip)
    if category is None:
        raise ValueError(
            f"clip {clip!r} has no category, and {benchmark.name} scores each apart: give "
            '--prompts or --references whose rows have a "category"'
        )
    if benchmark.categories and category not in benchmark.categories:
        raise ValueError(
            f"clip {clip!r} is of category {category!r}: {benchmark.name} has "
            f"{', '.join(benchmark.categories)}"
        )
    return category
