"""Calls of the network against what is heard: solvers and steps, guidance, a few-step student.

Digits, sounds and digits beside sounds are asked for in the words of held-out recordings. Seeds
draw prompts and noise; those of the committed evaluation (seed 0) are not among them. Every row
makes the same clips from the same noise, so that it is compared with the reference clip by clip. A
digit is heard by PocketSphinx, which nobody here trained, and by the judge; a sound by the judge.

From the root of the repository (minutes on two idle cores; the judge is trained once, see --cache):

    python -m tests.benchmarks.sampling datasets/manifests/singles.jsonl

Rows "student" are there if the checkpoint has a form of few steps (`few_steps.safetensors`).
Writes tests/benchmarks/results/sampling.json, and the same as a table beside it.
"""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.evaluate.embedders.embedder import Embeddings
from audiogen_jax.evaluate.judge.cache import cached_judge
from audiogen_jax.evaluate.judge.network import Judge
from audiogen_jax.evaluate.markdown import write_markdown
from audiogen_jax.evaluate.metrics.kernel_distance import KAD_SCALE, gaussian_kernels
from audiogen_jax.evaluate.metrics.means import mean_difference
from audiogen_jax.evaluate.metrics.shares import share_of
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.evaluate.recordings import Recording, read_recordings, recordings_sha256
from audiogen_jax.evaluate.report import print_report, write_report
from audiogen_jax.evaluate.suite import Table
from audiogen_jax.evaluate.suites.listeners import BY_POCKETSPHINX, Listeners
from audiogen_jax.evaluate.suites.nano_classes import class_prompts
from audiogen_jax.evaluate.suites.real_mixtures import SECONDS, held_out_parts, mixtures
from audiogen_jax.evaluate.waveforms import to_mono
from audiogen_jax.files.audio import SILENCE
from audiogen_jax.infer.options import FEW, SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.infer.requests import ClipError, batches

Samples = Float[np.ndarray, " n"]
KINDS = {"digits": 1.0, "sounds": 2.0, "digit and sound": SECONDS}
"""What is asked for -> seconds of a clip."""
MIXED = "digit and sound"
SEEDS = (1, 2, 3)
STEPS = (4, 6, 8, 12, 25)
SCALES = (1.0, 3.0, 8.0)
VIEWS: Sequence[Mapping[str, float]] = ({"speech": 8.0}, {"sfx": 8.0}, {"sfx": 2.0})
FIELDS = ("checkpoint_sha256", "recordings_sha256", "seeds", "versions", "hardware", "git_commit")


@dataclasses.dataclass(frozen=True)
class Asked:
    """A clip that is asked for.

    Attributes:
      id: fixes its noise, with the seed.
      kind: of `KINDS`.
      seed: that drew the prompt, and of the noise.
      prompt: views of held-out recordings.
      expected: "digits", "sounds" -> the class that should be heard.
    """

    id: str
    kind: str
    seed: int
    prompt: StructuredCaption
    expected: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Row:
    """A way to make the clips.

    Attributes:
      name: of the row.
      options: how.
      kinds: that it makes.
      plain: the caption alone is given, without the views.
    """

    name: str
    options: SamplingOptions
    kinds: Sequence[str] = tuple(KINDS)
    plain: bool = False


REFERENCE = Row("euler 25", SamplingOptions(25))


def rows_of(pipeline: Pipeline) -> list[Row]:
    """All rows, the reference first; those of the student if the checkpoint has one."""
    rows = [REFERENCE]
    for steps in STEPS:
        options = SamplingOptions(steps, solver="unipc", schedule="logistic")
        rows.append(Row(f"unipc {steps}", options))
    for steps in FEW:
        options = SamplingOptions(steps)
        if pipeline.for_options(options) is not pipeline:
            rows.append(Row(f"student {steps}", options))
    rows += [Row(f"guidance {scale:g}", SamplingOptions(25, guidance=scale)) for scale in SCALES]
    for views in VIEWS:
        name = ", ".join(f"{view} {scale:g}" for view, scale in views.items())
        rows.append(Row(f"guidance of {name}", SamplingOptions(25, view_guidance=views), (MIXED,)))
    return [*rows, Row("caption alone", SamplingOptions(25), plain=True)]


def draw(judge: Judge, recordings: Sequence[Recording], count: int, seed: int) -> list[Asked]:
    """Prompts of each kind in the words of held-out recordings, as many as there can be of one.

    Args:
      judge: says what can be heard.
      recordings: real clips.
      count: of each kind.
      seed: draws classes, recordings and phrasings.
    """
    asked = []
    for task in judge.tasks:
        if task.name in KINDS:
            prompts = class_prompts(task, recordings, -(-count // len(task.classes)), seed)
            order = np.random.default_rng(seed).permutation(len(prompts))[:count]
            asked += [
                Asked(each.id, task.name, seed, each.prompt, {task.name: each.expected})
                for each in (prompts[row] for row in sorted(order))
            ]
    parts = dict(held_out_parts(judge.tasks, recordings))
    if "events" in parts:  # ambience is no sfx, and has a scale of its own
        parts["sounds"] = parts["events"]
        asked += [
            Asked(mix.id, MIXED, seed, mix.prompt, mix.expected)
            for mix in mixtures(MIXED, parts, count, seed)
        ]
    return asked


def make(pipeline: Pipeline, asked: Sequence[Asked], row: Row) -> list[Samples]:
    """Clips of a row; silent ones stay."""
    pipeline = pipeline.for_options(row.options)
    names = [f"{each.seed}/{each.id}" for each in asked]
    prompts = [StructuredCaption(a.prompt.caption) if row.plain else a.prompt for a in asked]
    durations = [KINDS[each.kind] for each in asked]
    seeds = {name: each.seed for name, each in zip(names, asked, strict=True)}
    clips: dict[str, Samples] = {}
    for batch in batches(pipeline.requests(prompts, names, durations, row.options)):
        noise = [seeds[request.id] for request in batch]
        for clip in pipeline.collect(pipeline.submit(batch, noise, row.options), silent=True):
            if isinstance(clip, ClipError):
                raise clip
            clips[clip.id] = to_mono(clip.audio)
    return [clips[name] for name in names]


def calls(pipeline: Pipeline, options: SamplingOptions) -> int:
    """Evaluations of the velocity network for a clip, each condition counted."""
    distilled = pipeline.for_options(options).generator.distilled
    plan = options.in_few_steps(distilled).plan()
    return plan.calls * len(options.guidance_of(distilled).weights)


def hear(
    asked: Sequence[Asked], clips: Sequence[Samples], listeners: Listeners, sample_rate: int
) -> dict[str, Bool[np.ndarray, " n"]]:
    """Whether each clip is heard as asked, by who hears it; nothing is heard in silence.

    Returns:
      "KIND: PART" and "KIND: PART, PocketSphinx" of the clips of a kind; "all" of all clips: all
      that was asked for, digits by PocketSphinx.
    """
    audible = np.array([np.abs(clip).max(initial=0.0) >= SILENCE for clip in clips])
    every = audible.copy()
    heard = {}
    for kind in dict.fromkeys(each.kind for each in asked):
        mine = np.array([row for row, each in enumerate(asked) if each.kind == kind])
        for part in asked[mine[0]].expected:
            answers = listeners.answers(part, [clips[row] for row in mine], sample_rate)
            expected = [asked[row].expected[part] for row in mine]
            hits = {who: audible[mine] & (np.array(a) == expected) for who, a in answers.items()}
            heard |= {f"{kind}: {who}": each for who, each in hits.items()}
            every[mine] &= hits.get(BY_POCKETSPHINX.format(part), hits[part])
    return {**heard, "all": every}


def held_out(
    judge: Judge, recordings: Sequence[Recording], sample_rate: int
) -> dict[str, Embeddings]:
    """Held-out recordings of each of the judge's tasks, as it hears them."""
    val = [each for each in recordings if each.split == "val"]
    clips = {task.name: [x.samples for x in val if task.answer(x)] for task in judge.tasks}
    return {name: judge.embed(real, sample_rate) for name, real in clips.items() if len(real) > 1}


def distances(
    asked: Sequence[Asked],
    clips: Sequence[Samples],
    judge: Judge,
    real: Mapping[str, Embeddings],
    sample_rate: int,
) -> dict[str, object]:
    """KAD of single digits and sounds to held-out recordings of them, by the judge's embeddings."""
    values = {}
    for kind, embedded in real.items():
        made = [clip for each, clip in zip(asked, clips, strict=True) if each.kind == kind]
        if len(made) > 1:
            kernels = gaussian_kernels(embedded, judge.embed(made, sample_rate))
            try:
                value, low, high = (KAD_SCALE * x for x in kernels.interval(draws=500))
            except ValueError:  # of a few clips a resample may hold one alone
                value, low, high = KAD_SCALE * kernels.mmd2(), None, None
            values[kind] = {"value": value, "low": low, "high": high}
    return values


def measure(
    pipeline: Pipeline,
    judge: Judge,
    recordings: Sequence[Recording],
    count: int,
    seeds: Sequence[int] = SEEDS,
    rows: Sequence[Row] | None = None,
) -> dict[str, dict]:
    """What is heard of every row.

    Args:
      pipeline: makes the clips.
      judge: of digits and sounds.
      recordings: real clips, at the codec's rate.
      count: clips of each kind and seed.
      seeds: of prompts and noise.
      rows: the reference first; `rows_of` if None.

    Raises:
      ValueError: the recordings hold neither digits nor sounds.
    """
    asked = [each for seed in seeds for each in draw(judge, recordings, count, seed)]
    if not asked:
        raise ValueError("no held-out recording says a digit or holds one of the judge's sounds")
    listeners, rate = Listeners(judge), pipeline.codec.sample_rate
    real = held_out(judge, recordings, rate)
    results, reference = {}, np.zeros(0, bool)
    for row in rows_of(pipeline) if rows is None else rows:
        mine = np.array([each.kind in row.kinds for each in asked])
        chosen = [each for each, takes in zip(asked, mine, strict=True) if takes]
        if not chosen:
            continue
        clips = make(pipeline, chosen, row)
        hits = hear(chosen, clips, listeners, rate)
        reference = reference if results else hits["all"]
        drawn = np.array([each.seed for each in chosen])
        results[row.name] = {
            "calls": calls(pipeline, row.options),
            "options": row.options,
            "heard": {name: share_of(int(each.sum()), len(each)) for name, each in hits.items()},
            "all_by_seed": {seed: float(hits["all"][drawn == seed].mean()) for seed in seeds},
            "all_less_reference": mean_difference(hits["all"].tolist(), reference[mine].tolist()),
            "kad": distances(chosen, clips, judge, real, rate),
            "silent": sum(bool(np.abs(clip).max(initial=0.0) < SILENCE) for clip in clips),
        }
        print(
            f"{row.name}: {results[row.name]['calls']} calls, {hits['all'].mean():.3f}", flush=True
        )
    prompts = {f"{each.seed}/{each.id}": each.prompt.format() for each in asked}
    return {"prompts": prompts, "rows": results}


def table(results: Mapping[str, Mapping]) -> Table:
    """A row a way, by its calls: shares with intervals."""
    parts = [name for name in next(iter(results.values()))["heard"] if name != "all"]
    lines = []
    for name, row in results.items():
        heard, less = row["heard"], row["all_less_reference"]
        cells = [f"{heard[p].share:.2f}" if p in heard else None for p in parts]
        kad = ", ".join(f"{kind} {each['value']:.1f}" for kind, each in row["kad"].items())
        every = heard["all"]
        lines.append(
            [name, str(row["calls"]), f"{every.share:.2f} [{every.low:.2f}, {every.high:.2f}]",
             f"{less.mean:+.2f} [{less.low:+.2f}, {less.high:+.2f}]", *cells, kad or None]
        )  # fmt: skip
    columns = ["row", "calls", "all that was asked for", "less the reference", *parts, "KAD"]
    return Table("Calls of the network, and what is heard", columns, lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", help="real recordings, train and val split")
    parser.add_argument("--checkpoint", default="nano")
    parser.add_argument("--clips", type=int, default=8, help="of each kind and seed")
    parser.add_argument("--cache", type=Path, default=Path("runs/judge"), help="of the judge")
    output = Path(__file__).parent / "results" / "sampling.json"
    parser.add_argument("--output", type=Path, default=output)
    args = parser.parse_args()
    pipeline = Pipeline.load(args.checkpoint)
    recordings = read_recordings(args.manifest, pipeline.codec.sample_rate)
    judge = cached_judge(recordings, args.cache)
    measured = measure(pipeline, judge, recordings, args.clips)
    protocol = {
        "checkpoint": Path(args.checkpoint).name,
        "checkpoint_sha256": pipeline.checkpoint_sha256(),
        "manifest": Path(args.manifest).name,
        "recordings_sha256": recordings_sha256(recordings),
        "judge": judge.identity,
        "seeds": SEEDS,
        "clips_of_a_kind_and_seed": args.clips,
        "seconds": KINDS,
        "reference": REFERENCE.name,
        "intervals": "95 %: of shares Wilson's, of differences and KAD the bootstrap over clips",
        "prompts": measured["prompts"],
        **environment(),
    }
    rows = measured["rows"]
    write_report(args.output, protocol, {"rows": rows}, FIELDS)
    whole = table(rows)
    write_markdown(args.output.with_suffix(".md"), [whole])
    print_report([Table(whole.title, whole.columns[:4], [row[:4] for row in whole.rows])])


if __name__ == "__main__":
    main()
