"""The rows of a benchmark's table, measured."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from audiogen_jax.evaluate.benchmarks.benchmark import Benchmark, Column
from audiogen_jax.evaluate.benchmarks.cautions import cautions
from audiogen_jax.evaluate.benchmarks.clip_values import Transcripts
from audiogen_jax.evaluate.benchmarks.group import Cell, Group, UndefinedError, caption_of
from audiogen_jax.evaluate.benchmarks.hearing import Heard, hear, read_clip
from audiogen_jax.evaluate.benchmarks.matching import Matched
from audiogen_jax.evaluate.benchmarks.metrics import BESIDE, metric, title
from audiogen_jax.evaluate.embedders.embedder import Embedder, Embeddings, TextEmbedder
from audiogen_jax.evaluate.metrics.log_spectral import log_spectral_distance

LONGEST_DIFFERENCE = 0.1
"""Seconds by which a clip and its reference may differ in length; the shorter one decides."""


@dataclasses.dataclass(frozen=True)
class Row:
    """What was measured of a category, or of all clips.

    Attributes:
      category: None if all are together.
      clips: how many.
      references: how many.
      cells: by the head of their columns.
    """

    category: str | None
    clips: int
    references: int
    cells: Mapping[str, Cell]


@dataclasses.dataclass(frozen=True)
class Scores:
    """A table with what has to be known of its clips.

    Attributes:
      rows: of the categories that have clips.
      missing: columns of the publication that were not measured, each with what it needs.
      notes: numbers that are not defined, or not to be compared.
      heard: what was heard of the clips.
      references: what was heard of the references; None if there are none.
    """

    rows: tuple[Row, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    heard: Heard
    references: Heard | None


def score(
    benchmark: Benchmark,
    matched: Matched,
    embedders: Mapping[str, Embedder],
    transcripts: Transcripts | None = None,
    scores: Mapping[str, Mapping[str, float]] | None = None,
    draws: int = 100,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> Scores:
    """Measures every column that the given networks, lists and references allow.

    Args:
      benchmark: whose table it is.
      matched: clips with prompts and references.
      embedders: by the names that their columns get.
      transcripts: of the clips.
      scores: by name, of the clips by id.
      draws: resamples for the intervals of Frechet, kernel and inception scores.
      seed: of the resamples and splits.
      advance: called after each file that was heard.

    Raises:
      OSError, ValueError: a file cannot be read or heard, or not one column can be measured.
    """
    heard = hear(matched.clips, benchmark, embedders, advance)
    references = None
    if matched.references is not None:
        references = hear(matched.references, benchmark, embedders, advance)
    texts = _texts(matched, embedders)
    distances = _distances(benchmark, matched)
    groups: list[tuple[str | None, Group]] = []
    places = {name: row for row, name in enumerate(references.clip_ids if references else ())}
    for category in _categories(benchmark, matched):
        rows = [row for row, each in enumerate(matched.categories) if each == category]
        others = [row for row, each in enumerate(matched.reference_categories) if each == category]
        pairs = [places[matched.clips[row].clip_id] for row in rows] if matched.paired else []
        group = Group(
            heard.select(rows),
            references.select(others) if references and others else None,
            references.select(pairs) if references and pairs else None,
            None if matched.prompts is None else [matched.prompts[row] for row in rows],
            {name: values[np.asarray(rows)] for name, values in texts.items()},
            transcripts,
            scores or {},
            {name: [values[row] for row in rows] for name, values in distances.items()},
            draws,
            seed,
        )
        groups.append((category, group))
    notes = [*matched.notes, *cautions(benchmark, heard, references)]
    measured, tried = [], {}
    for category, group in groups:
        columns = benchmark.columns_of(category)
        tried[category] = _tried(columns, group)
        cells = _cells(category, group, tried[category], notes)
        count = 0 if group.references is None else len(group.references)
        measured.append(Row(category, len(group.heard), count, cells))
    notes += _few(groups, tried)
    present = [category for category, _ in groups]
    if absent := [category for category in benchmark.categories if category not in present]:
        notes.append(f"no clips of {', '.join(absent)}")
    missing = _missing(benchmark, tried)
    used = {backbone for each in tried.values() for _, backbone in each}
    notes += [
        f"no column of {benchmark.name} is by {name}" for name in sorted(embedders.keys() - used)
    ]
    if not any(row.cells for row in measured):
        raise ValueError(f"nothing to measure: {'; '.join([*missing, *notes])}")
    return Scores(tuple(measured), tuple(missing), tuple(notes), heard, references)


def _categories(benchmark: Benchmark, matched: Matched) -> Sequence[str | None]:
    present = set(matched.categories)
    if benchmark.categories:
        return [category for category in benchmark.categories if category in present]
    return sorted(present, key=str)


def _texts(matched: Matched, embedders: Mapping[str, Embedder]) -> dict[str, Embeddings]:
    if matched.prompts is None:
        return {}
    towers = {name: each for name, each in embedders.items() if isinstance(each, TextEmbedder)}
    captions = [caption_of(prompt) for prompt in matched.prompts] if towers else []
    return {name: each.embed_texts(captions) for name, each in towers.items()}


def _distances(benchmark: Benchmark, matched: Matched) -> dict[str, list[float | None]]:
    """Distances of waveforms that the benchmark has columns of."""
    wanted = any(column.metric == "log_spectral" for column in benchmark.columns)
    if not wanted or not matched.paired or matched.references is None:
        return {}
    references = {clip.clip_id: clip for clip in matched.references}
    values: list[float | None] = []
    for clip in matched.clips:
        reference = references[clip.clip_id]
        first, second = (read_clip(each, benchmark)[0] for each in (reference, clip))
        difference = abs(len(first) - len(second)) / benchmark.sample_rate
        if difference > LONGEST_DIFFERENCE:
            raise ValueError(
                f"{clip.path} and {reference.path} differ by {difference:.2f} s in length: a "
                f"distance of waveforms needs pairs of one length (to {LONGEST_DIFFERENCE} s)"
            )
        length = min(len(first), len(second))
        values.append(log_spectral_distance(first[:length], second[:length]))
    return {"log_spectral": values}


def _tried(columns: Sequence[Column], group: Group) -> list[tuple[str, str]]:
    """Each metric with each network that the group can have it of."""
    names = dict.fromkeys(column.metric for column in columns)
    names |= dict.fromkeys(f"score:{name}" for name in group.scores)
    every = dict.fromkeys(each for name in names for each in (name, *BESIDE.get(name, ())))
    return [(name, backbone) for name in every for backbone in metric(name).backbones(group)]


def _cells(
    category: str | None, group: Group, tried: Sequence[tuple[str, str]], notes: list[str]
) -> dict[str, Cell]:
    """The numbers by the heads of their columns; what is undefined goes into the notes."""
    cells: dict[str, Cell] = {}
    for name, backbone in tried:
        head = title(name, backbone)
        where = f"{head}{f' of {category}' if category else ''}"
        try:
            cells[head] = cell = metric(name).measure(group, backbone)
        except UndefinedError as error:
            notes.append(f"{where} is undefined: {error}")
            continue
        if cell.clips < len(group.heard):
            notes.append(f"{where} is of {cell.clips} of {len(group.heard)} clips")
    return cells


def _few(
    groups: Sequence[tuple[str | None, Group]],
    tried: Mapping[str | None, Sequence[tuple[str, str]]],
) -> list[str]:
    """A line for each network whose Gaussians are fitted to fewer clips than dimensions."""
    fewest: dict[str, tuple[int, int]] = {}
    for category, group in groups:
        for name, backbone in tried[category]:
            if name == "frechet" and group.references is not None:
                count, width = group.heard.embeddings[backbone].values.shape
                size = min(count, len(group.references)), width
                fewest[backbone] = min(size, fewest.get(backbone, size))
    return [
        f"{title('frechet', backbone)} is of as few as {count} clips in {width} dimensions: it is "
        "far above that of many, and compares only sets of this size; KAD has no such bias"
        for backbone, (count, width) in fewest.items()
        if 2 <= count <= width
    ]


def _missing(
    benchmark: Benchmark, tried: Mapping[str | None, Sequence[tuple[str, str]]]
) -> list[str]:
    """A line for each published column that was not even tried."""
    lines = []
    for column in benchmark.columns:
        asked = [
            backbone
            for category, each in tried.items()
            if not column.categories or category in column.categories
            for name, backbone in each
            if name == column.metric
        ]
        applies = not column.categories or {*tried} & {*column.categories}
        if not applies or column.backbone in asked:
            continue
        why = f"it needs {metric(column.metric).needs}"
        if asked:
            others = ", ".join(title(column.metric, name) for name in dict.fromkeys(asked))
            why = f"{others} is of another network"
        lines.append(f"{title(column.metric, column.backbone)} is not measured: {why}")
    return lines
