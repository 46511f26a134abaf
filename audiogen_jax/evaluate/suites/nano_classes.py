"""Is what was asked for heard, does it sound like real clips, and is it new."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.evaluate.examples import Example, examples_of
from audiogen_jax.evaluate.judge.cache import cached_judge
from audiogen_jax.evaluate.judge.network import Judge
from audiogen_jax.evaluate.judge.tasks import Task
from audiogen_jax.evaluate.judge.training import JudgeTraining
from audiogen_jax.evaluate.metrics.frechet import frechet_beside_floor
from audiogen_jax.evaluate.metrics.near_copies import near_copies
from audiogen_jax.evaluate.metrics.shares import Share, share_of
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suite import Context, Measurement, Model, Table
from audiogen_jax.evaluate.suites.other_judges import Sources, judged_by_others
from audiogen_jax.evaluate.suites.reconstruction import rebuild
from audiogen_jax.infer.codec import Codec

Samples = Float[np.ndarray, " n"]
Results = Mapping[str, Mapping[str, object]]
ROWS = {
    "accuracy, generated": ("accuracy", "generated"),
    "accuracy, real held-out": ("accuracy", "real_held_out"),
    "accuracy, real rebuilt": ("accuracy", "real_held_out_rebuilt"),
    "chance": ("accuracy", "chance"),
    "Frechet, generated to real": ("frechet", "generated_to_real"),
    "Frechet, real to real": ("frechet", "real_to_real_floor"),
    "near-copies": ("near_copies", "share"),
    "near-copies, rebuilt training": ("near_copies", "share_of_rebuilt_training_clips"),
}
"""Row of the table -> where its value stands in the results of a task."""
SOURCES = ("generated", "real_held_out", "real_held_out_rebuilt")


@dataclasses.dataclass(frozen=True)
class NanoClasses:
    """Digits, words and sounds are asked for one at a time, and listened for by the judge.

    Attributes:
      per_class: clips to generate of each digit, word and sound.
      judge: how the judge is trained.
    """

    per_class: int = 10
    judge: JudgeTraining = JudgeTraining()
    name: ClassVar[str] = "generation"
    needs_generator: ClassVar[bool] = True

    def __post_init__(self):
        if self.per_class < 1:
            raise ValueError(f"per_class={self.per_class} must be at least 1")

    def run(self, model: Model, recordings: Sequence[Recording], context: Context) -> Measurement:
        """Results by the name of the judge's task; see `evaluate_generation` and `Suite.run`.

        Those of `judged_by_others` stand beside, as "other_judges".
        """
        judge = cached_judge(recordings, context.cache, self.judge)
        tasks, results, missing = {}, {}, {}
        examples: list[Example] = []
        for task in judge.tasks:
            asked = class_prompts(task, recordings, self.per_class, context.seed)
            tasks[task.name] = {
                "classes": list(task.classes),
                "prompts": {clip.id: clip.prompt.format() for clip in asked},
            }
            prompts, ids = [clip.prompt for clip in asked], [clip.id for clip in asked]
            generated = model.generate(prompts, ids, context, task.name)
            results[task.name] = evaluate_generation(
                task, recordings, asked, generated, judge, partial(rebuild, model.codec),
                context.seed,
            )  # fmt: skip
            sources = _sources(task, recordings, asked, generated, model.codec)
            results[task.name]["other_judges"], absent = judged_by_others(
                task, sources, recordings, model.codec.sample_rate
            )
            missing |= dict.fromkeys(absent)
            examples += _examples(task, sources, asked, judge, model.codec.sample_rate, context)
        protocol = {
            **model.sampling_protocol(context),
            "per_class": self.per_class,
            "duration": "decided by the model",
            "judge": dataclasses.asdict(self.judge),
            "judge_trained_on": "real clips of the train split",
            "judged_against": "real clips of the val split",
            "judges_missing": list(missing),
            "tasks": tasks,
        }
        note = "\n".join(f"generation: without {why}" for why in missing) or None
        tables = [_table(results), _others_table(results)]
        return Measurement(protocol, results, tables, note, examples)


@dataclasses.dataclass(frozen=True)
class ClassPrompt:
    """One clip to generate.

    Attributes:
      id: unique name, which fixes the noise.
      expected: the class that should be heard.
      prompt: views of a real clip of that class.
    """

    id: str
    expected: str
    prompt: StructuredCaption


def class_prompts(
    task: Task, recordings: Sequence[Recording], per_class: int, seed: int
) -> list[ClassPrompt]:
    """Prompts for every class of a task, in the phrasings of held-out clips.

    Args:
      task: the question.
      recordings: real clips; a class that no held-out clip shows takes the phrasings of its
        training clips.
      per_class: clips to ask for of each class.
      seed: draws clips and phrasings.
    """
    rng = np.random.default_rng(seed)
    asked = []
    for name in task.classes:
        clips = [clip for clip in recordings if task.answer(clip) == name]
        clips = [clip for clip in clips if clip.split == "val"] or clips
        if not clips:
            continue
        order = rng.permutation(len(clips))
        for number in range(per_class):
            views = clips[order[number % len(clips)]].views
            drawn = {view: str(rng.choice(texts)) for view, texts in views.items()}
            prompt = StructuredCaption(**drawn)
            asked.append(ClassPrompt(f"{task.name}/{name}/{number}", name, prompt))
    return asked


def evaluate_generation(
    task: Task,
    recordings: Sequence[Recording],
    asked: Sequence[ClassPrompt],
    generated: Sequence[Samples],
    judge: Judge,
    rebuilt_by: Callable[[Samples], Samples],
    seed: int,
) -> dict[str, Mapping[str, object]]:
    """Measures the generated clips of one task.

    Args:
      task: the question.
      recordings: real clips, training and held-out.
      asked: what was asked for.
      generated: the audio of each, at the rate of the recordings.
      judge: trained on the real training clips.
      rebuilt_by: the codec there and back, the upper bound of what the generator can reach.
      seed: of the random splits of the Frechet distance.

    Returns:
      accuracy: share of generated clips heard as asked, per class and overall, beside the
        judge's accuracy on real held-out clips (by what was held out), on the same clips
        rebuilt by the codec, and chance.
      frechet: see `frechet_beside_floor`.
      near_copies: share of generated clips nearer to a training clip than 95 % of held-out clips
        are; the same share for training clips rebuilt by the codec (what a memorised clip
        would score); and the nearest pairs.
    """
    about = [clip for clip in recordings if task.answer(clip) is not None]
    training = [clip for clip in about if clip.split == "train"]
    held_out = [clip for clip in about if clip.split == "val"]
    rate = about[0].sample_rate
    expected = np.array([clip.expected for clip in asked])
    right = np.array(judge.answers(task.name, generated, rate)) == expected
    accuracy: dict[str, object] = {
        "generated": float(right.mean()),
        "generated_clips": len(asked),
        "generated_interval": share_of(int(right.sum()), len(asked))[1:3],
        "chance": 1 / len(task.classes),
        "generated_per_class": {
            name: float(right[expected == name].mean()) for name in dict.fromkeys(expected.tolist())
        },
    }
    result: dict[str, Mapping[str, object]] = {"accuracy": accuracy}
    if not held_out:
        return result

    rebuilt = [rebuilt_by(clip.samples) for clip in held_out]
    accuracy["real_held_out"] = _accuracy(judge, task, held_out)
    accuracy["real_held_out_rebuilt"] = _accuracy(judge, task, held_out, rebuilt)
    for kind in sorted({clip.held_out for clip in held_out if clip.held_out}):
        clips = [clip for clip in held_out if clip.held_out == kind]
        accuracy[f"real_held_out_{kind}"] = _accuracy(judge, task, clips)
        accuracy[f"real_held_out_{kind}_clips"] = len(clips)

    embedded = judge.embed(generated, rate)
    real = judge.embed([clip.samples for clip in held_out], rate)
    seen = judge.embed([clip.samples for clip in training], rate)
    if len(held_out) >= 4 and len(asked) >= 2:
        result["frechet"] = frechet_beside_floor(embedded, real, seed)
    copies = near_copies(embedded, seen, real)
    sample = np.random.default_rng(seed).permutation(len(training))[: len(asked)]
    memorised = judge.embed([rebuilt_by(training[row].samples) for row in sample], rate)
    closest = np.argsort(copies.distance)[:5]
    result["near_copies"] = {
        "share": copies.share,
        "share_of_held_out_by_definition": 0.05,
        "share_of_rebuilt_training_clips": near_copies(memorised, seen, real).share,
        "threshold_cosine_distance": copies.threshold,
        "nearest_pairs": [
            {
                "generated": asked[row].id,
                "training": training[copies.nearest[row]].audio_id,
                "cosine_distance": float(copies.distance[row]),
            }
            for row in closest
        ],
    }
    return result


def _sources(
    task: Task,
    recordings: Sequence[Recording],
    asked: Sequence[ClassPrompt],
    generated: Sequence[Samples],
    codec: Codec,
) -> Sources:
    """What other judges listen to."""
    held_out = [clip for clip in recordings if clip.split == "val"]
    real = [(clip.samples, answer) for clip in held_out if (answer := task.answer(clip))]
    sources: dict = {"generated": (generated, [clip.expected for clip in asked])}
    if real:
        clips, labels = zip(*real, strict=True)
        rebuilt = [rebuild(codec, clip) for clip in clips]
        sources |= {"real_held_out": (clips, labels), "real_held_out_rebuilt": (rebuilt, labels)}
    return sources


def _examples(
    task: Task,
    sources: Sources,
    asked: Sequence[ClassPrompt],
    judge: Judge,
    sample_rate: int,
    context: Context,
) -> list[Example]:
    """Generated clips, each beside a real one of its class where there is one."""
    generated = sources["generated"][0]
    clips, labels = sources.get("real_held_out", ((), ()))
    real = dict(zip(labels, clips, strict=True))

    def verdict(row: int) -> str:
        (answer,) = judge.answers(task.name, [generated[row]], sample_rate)
        return f"asked for: {asked[row].expected}; the judge hears: {answer}"

    heard: dict[str, Sequence[Samples]] = {"generated": generated}
    if all(clip.expected in real for clip in asked):
        heard["real, of the same class"] = [real[clip.expected] for clip in asked]
    return examples_of(
        context.examples,
        [clip.id for clip in asked],
        heard,
        sample_rate,
        [clip.prompt.format() for clip in asked],
        verdict,
    )


def _accuracy(
    judge: Judge,
    task: Task,
    recordings: Sequence[Recording],
    clips: Sequence[Samples] | None = None,
) -> float:
    """Of the judge on real recordings, or on what became of them."""
    clips = [recording.samples for recording in recordings] if clips is None else clips
    answers = judge.answers(task.name, clips, recordings[0].sample_rate)
    return float(np.mean([a == task.answer(r) for a, r in zip(answers, recordings, strict=True)]))


def _table(results: Mapping[str, Results]) -> Table:
    rows = [
        [title, *(task.get(group, {}).get(name) for task in results.values())]
        for title, (group, name) in ROWS.items()
    ]
    return Table("Generation", ["measure", *results], rows)


def _others_table(results: Mapping[str, Results]) -> Table:
    """Shares and means of every judge that is here."""
    rows = []
    for task, result in results.items():
        for judge, heard in result["other_judges"].items():
            row = [heard.get(s) for s in SOURCES] if isinstance(heard, Mapping) else []
            shown = [v.share if isinstance(v, Share) else v.mean if v else None for v in row]
            rows.append([task, judge, *shown])
    return Table("By other judges", ["task", "judge", *SOURCES], rows)
