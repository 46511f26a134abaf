"""Edits of held-out mixtures whose stems are known: is it done as asked, and nothing else?"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.progress import track

from audiogen_jax.evaluate.embedders.codec import CodecEmbedder
from audiogen_jax.evaluate.examples import Example, examples_of
from audiogen_jax.evaluate.judge.cache import cached_judge
from audiogen_jax.evaluate.metrics.frechet import frechet_distance
from audiogen_jax.evaluate.metrics.log_spectral import log_spectral_distance
from audiogen_jax.evaluate.metrics.means import mean_of
from audiogen_jax.evaluate.metrics.shares import share_of
from audiogen_jax.evaluate.metrics.si_sdr import si_sdr
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suite import Context, Measurement, Model, Table
from audiogen_jax.evaluate.suites.edit_pairs import (
    FORMS,
    SECONDS,
    JudgedPair,
    edit_pairs,
    shared_out,
    spectral_subtraction,
)
from audiogen_jax.evaluate.suites.listeners import Listeners
from audiogen_jax.evaluate.suites.reconstruction import rebuild
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.models.prompting import Sound

Samples = Float[np.ndarray, " n"]
EDITED, NOTHING_DONE = "edited", "nothing done"
UNCHANGED_DB = -20.0
"""Change against the clip below which it counts as unchanged."""
LIMITS_DB = (-30.0, 100.0)
"""Of SI-SDR, whose mean one clip would decide."""
HEARD = ("heard", "heard_alone")
"""Scores of those who listen."""
CLOSE_TO = 0.05
"""Seconds around the named sound that do not count as outside of it."""


@dataclasses.dataclass(frozen=True)
class Editing:
    """Removals, extractions, additions, and removals of what is not there.

    Attributes:
      edits: pairs of each of these forms.
    """

    edits: int = 50
    name: ClassVar[str] = "editing"
    needs_generator: ClassVar[bool] = True

    def __post_init__(self):
        if self.edits < 1:
            raise ValueError(f"edits={self.edits} must be at least 1")

    def run(self, model: Model, recordings: Sequence[Recording], context: Context) -> Measurement:
        """Scores, form by form, of the model and of what needs none; see `Suite.run`.

        Returns:
          form -> system -> score: "si_sdr_db" against the goal and "si_sdr_gain_db" over doing
          nothing, "lsd_db", of additions "outside_db", the SI-SDR of what lies outside of the
          sound, "heard", how often a judge hears the added sound where it stands (of removals:
          still), and "heard_alone", in what was added; of sounds that are not there "change_db"
          and how often that is below -20 dB; of all "frechet", the distance to the goals in the
          first layer of the model's own encoder.
        """
        pipeline = model.pipeline
        if pipeline is None or not pipeline.edits:
            why = "editing: nothing measured, this model edits nothing by instruction"
            return Measurement({"skipped": why}, {}, note=why)
        options = None if context.options == SamplingOptions() else context.options
        pairs = {form: edit_pairs(form, recordings, self.edits, context.seed) for form in FORMS}
        if not all(pairs.values()):
            why = "editing: nothing measured, there are no held-out clips of some part"
            return Measurement({"skipped": why}, {}, note=why)
        listeners = Listeners(cached_judge(recordings, context.cache), passing=True)
        embedder = CodecEmbedder(model.codec, model.codec.layers[0])
        results: dict[str, dict] = {}
        examples: list[Example] = []
        for form, rows in pairs.items():
            systems = {EDITED: edited(pipeline, rows, context.seed, options, form)}
            systems |= without_a_model(model, rows)
            rate = model.codec.sample_rate
            goals = embedder.embed(systems["goal"], rate) if len(rows) > 1 else None
            results[form] = {
                system: _scores(rows, clips, listeners, rate)
                | (
                    {"frechet": frechet_distance(embedder.embed(clips, rate), goals)}
                    if goals
                    else {}
                )
                for system, clips in systems.items()
            }
            examples += examples_of(
                context.examples,
                [row.id for row in rows],
                {
                    "source": systems[NOTHING_DONE],
                    EDITED: systems[EDITED],
                    "goal": systems["goal"],
                },
                model.codec.sample_rate,
                [f"{row.pair.kind}: {row.pair.what}" for row in rows],
            )
        protocol = {
            "sampling": {
                kind: dataclasses.asdict(options or pipeline.editing_options(kind))
                for kind in ("remove", "extract", "add")
            },
            "seconds": SECONDS,
            "si_sdr_within_db": LIMITS_DB,
            "frechet_embedder": dataclasses.asdict(embedder.identity),
            "pairs": {row.id: _facts(row) for rows in pairs.values() for row in rows},
        }
        return Measurement(protocol, results, _tables(results), examples=examples)


def edited(
    pipeline: Pipeline,
    rows: Sequence[JudgedPair],
    seed: int,
    options: SamplingOptions | None,
    title: str,
) -> list[Samples]:
    """What a model makes of the sources; where it shall add a sound, it is told."""
    clips, rate = [], pipeline.codec.sample_rate
    bar = track(rows, f"editing, {title}", console=Console(stderr=True), transient=True)
    for row in bar:
        clip = pipeline.edit(
            row.pair.kind,  # pyright: ignore[reportArgumentType]
            Sound(row.source, rate),
            what=row.pair.what,
            between=row.pair.span if row.pair.kind == "add" else None,
            seed=seed,
            options=options,
            id=row.id,
        )
        clips.append(clip.audio)
    return clips


def without_a_model(model: Model, rows: Sequence[JudgedPair]) -> dict[str, list[Samples]]:
    """Floors and ceilings of the same pairs."""
    rate = model.codec.sample_rate
    systems = {NOTHING_DONE: [row.source for row in rows], "goal": [row.goal for row in rows]}
    if rows[0].form in ("remove", "extract"):
        systems["spectral subtraction"] = [spectral_subtraction(row) for row in rows]
        systems["masks of the true stems"] = [
            shared_out(row, [row.named, row.rest], rate) for row in rows
        ]
        systems["masks of rebuilt stems"] = [
            shared_out(row, [rebuild(model.codec, stem) for stem in (row.named, row.rest)], rate)
            for row in rows
        ]
        systems["rebuilt goal"] = [rebuild(model.codec, row.goal) for row in rows]
    return systems


def _scores(
    rows: Sequence[JudgedPair], clips: Sequence[Samples], listeners: Listeners, rate: int
) -> dict[str, object]:
    pairs = list(zip(rows, clips, strict=True))
    if rows[0].form == "not there":
        changes = [_level(clip - row.source, row.source) for row, clip in pairs]
        unchanged = sum(change < UNCHANGED_DB for change in changes)
        finite = [max(change, -120.0) for change in changes]
        return {"change_db": mean_of(finite), "unchanged": share_of(unchanged, len(rows))}
    scores: dict[str, object] = {
        "lsd_db": mean_of([log_spectral_distance(row.goal, clip) for row, clip in pairs])
    }
    if rows[0].form == "add":
        outside = [_outside(row, rate) for row in rows]
        scores["outside_db"] = mean_of(
            [
                floored_si_sdr(row.source[keep], clip[keep])
                for (row, clip), keep in zip(pairs, outside, strict=True)
                if keep.any()
            ]
        )
        added = [clip - row.source for row, clip in pairs]
        scores["heard_alone"] = _heard(rows, added, listeners, rate)
    else:
        reached = [floored_si_sdr(row.goal, clip) for row, clip in pairs]
        before = [floored_si_sdr(row.goal, row.source) for row in rows]
        scores["si_sdr_db"] = mean_of(reached)
        scores["si_sdr_gain_db"] = mean_of([a - b for a, b in zip(reached, before, strict=True)])
    scores["heard"] = _heard(rows, clips, listeners, rate)
    return scores


def floored_si_sdr(reference: Samples, estimate: Samples) -> float:
    """SI-SDR within `LIMITS_DB`: silence, where there should be a sound, counts as the lowest."""
    return float(np.clip(si_sdr(reference, estimate), *LIMITS_DB))


def _heard(
    rows: Sequence[JudgedPair], clips: Sequence[Samples], listeners: Listeners, rate: int
) -> dict[str, object]:
    """How often the named sound is heard where it stands, by who can hear such a sound."""
    clips = [_within(row, clip, rate) for row, clip in zip(rows, clips, strict=True)]
    asked = {"digits": "word", "words": "word", "sounds": "label"}
    heard = {}
    taken: set[int] = set()
    for part, attribute in asked.items():
        classes = listeners.classes(part)
        of_part = [
            (i, getattr(row, attribute))
            for i, row in enumerate(rows)
            if i not in taken
            and (attribute == "word") == (row.word is not None)
            and getattr(row, attribute) in classes
        ]
        taken |= {i for i, _ in of_part}
        if of_part:
            answers = listeners.answers(part, [clips[i] for i, _ in of_part], rate)
            for who, given in answers.items():
                hits = sum(a == right for a, (_, right) in zip(given, of_part, strict=True))
                heard[who] = share_of(hits, len(of_part))
    return heard


def _within(row: JudgedPair, clip: Samples, rate: int) -> Samples:
    """The part of a clip in which the named sound of its pair stands."""
    assert row.pair.span is not None
    first, last = (round(seconds * rate) for seconds in row.pair.span)
    return clip[first:last]


def _outside(row: JudgedPair, rate: int) -> np.ndarray:
    """True where the named sound of a pair is not heard."""
    assert row.pair.span is not None
    seconds = np.arange(len(row.source)) / rate
    return (seconds < row.pair.span[0] - CLOSE_TO) | (seconds > row.pair.span[1] + CLOSE_TO)


def _level(signal: Samples, reference: Samples) -> float:
    """dB of one against the other."""
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.square(signal).mean() / np.square(reference).mean()))


def _facts(row: JudgedPair) -> dict[str, object]:
    return {
        "kind": row.pair.kind,
        "what": row.pair.what,
        "span": row.pair.span,
        "clips": {
            name: [clip.audio_id for clip in clips] for name, clips in row.pair.clips.items()
        },
    }


def _tables(results: Mapping[str, Mapping]) -> list[Table]:
    tables = []
    for form, systems in results.items():
        names = [name for name in systems[EDITED] if name not in (*HEARD, "frechet")]
        heard = [
            (kind, who)
            for kind in HEARD
            for who in sorted({who for scores in systems.values() for who in scores.get(kind, {})})
        ]
        rows = []
        for system, scores in systems.items():
            row: list[str | float | None] = [system]
            for name in names:
                row += _with_interval(scores.get(name))
            row.append(scores.get("frechet"))
            shares = [scores.get(kind, {}).get(who) for kind, who in heard]
            row += [None if share is None else share.share for share in shares]
            rows.append(row)
        columns = [
            "system",
            *(c for name in names for c in (name, "low", "high")),
            "frechet",
            *(who if kind == "heard" else f"{who}, alone" for kind, who in heard),
        ]
        tables.append(Table(f"Edits: {form}", columns, rows))
    return tables


def _with_interval(value: tuple | None) -> list[float | None]:
    return [None] * 3 if value is None else list(value[:3])
