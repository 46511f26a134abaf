"""Is what was asked for heard, does it sound like real clips, and is it new."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.evaluate.judge.network import Judge
from audiogen_jax.evaluate.judge.tasks import Task
from audiogen_jax.evaluate.metrics.frechet import frechet_distance
from audiogen_jax.evaluate.metrics.near_copies import near_copies
from audiogen_jax.evaluate.recordings import Recording

Samples = Float[np.ndarray, " n"]
FRECHET_SPLITS = 20


@dataclasses.dataclass(frozen=True)
class Request:
    """One clip to generate.

    Attributes:
      id: unique name, which fixes the noise.
      expected: the class that should be heard.
      prompt: views of a real clip of that class.
    """

    id: str
    expected: str
    prompt: StructuredCaption


def requests(
    task: Task, recordings: Sequence[Recording], per_class: int, seed: int
) -> list[Request]:
    """Prompts for every class of a task, in the phrasings of held-out clips.

    Args:
      task: the question.
      recordings: real clips; a class that no held-out clip shows takes the phrasings of its
        training clips.
      per_class: clips to ask for of each class.
      seed: draws clips and phrasings.
    """
    rng = np.random.default_rng(seed)
    wanted = []
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
            wanted.append(Request(f"{task.name}/{name}/{number}", name, prompt))
    return wanted


def evaluate_generation(
    task: Task,
    recordings: Sequence[Recording],
    wanted: Sequence[Request],
    generated: Sequence[Samples],
    judge: Judge,
    rebuild: Callable[[Samples], Samples],
    seed: int,
) -> dict[str, Any]:
    """Measures the generated clips of one task.

    Args:
      task: the question.
      recordings: real clips, training and held-out.
      wanted: what was asked for.
      generated: the audio of each request.
      judge: trained on the real training clips.
      rebuild: the tokenizer there and back, the upper bound of what the generator can reach.
      seed: of the random splits of the Frechet distance.

    Returns:
      accuracy: share of generated clips heard as asked, per class and overall, beside the
        judge's accuracy on real held-out clips (by what was held out), on the same clips
        rebuilt by the tokenizer, and chance.
      frechet: see `frechet_beside_floor`.
      near_copies: share of generated clips nearer to a training clip than 95 % of held-out clips
        are; the same share for training clips rebuilt by the tokenizer (what a memorised clip
        would score); and the nearest pairs.
    """
    about = [clip for clip in recordings if task.answer(clip) is not None]
    training = [clip for clip in about if clip.split == "train"]
    held_out = [clip for clip in about if clip.split == "val"]
    answers = judge.answers(task.name, generated)
    right = np.array([a == one.expected for a, one in zip(answers, wanted, strict=True)])
    accuracy: dict[str, Any] = {
        "generated": float(right.mean()),
        "generated_clips": len(wanted),
        "chance": 1 / len(task.classes),
        "generated_per_class": {
            name: float(np.mean([r for r, one in zip(right, wanted, strict=True)
                                 if one.expected == name]))
            for name in dict.fromkeys(one.expected for one in wanted)
        },
    }  # fmt: skip
    result: dict[str, Any] = {"accuracy": accuracy}
    if not held_out:
        return result

    rebuilt = [rebuild(clip.samples) for clip in held_out]
    accuracy["real_held_out"] = _accuracy(judge, task, held_out, [c.samples for c in held_out])
    accuracy["real_held_out_rebuilt"] = _accuracy(judge, task, held_out, rebuilt)
    for kind in sorted({clip.held_out for clip in held_out if clip.held_out}):
        kept = [clip for clip in held_out if clip.held_out == kind]
        accuracy[f"real_held_out_{kind}"] = _accuracy(judge, task, kept, [c.samples for c in kept])
        accuracy[f"real_held_out_{kind}_clips"] = len(kept)

    embedded = judge.embed(generated)
    real = judge.embed([clip.samples for clip in held_out])
    known = judge.embed([clip.samples for clip in training])
    if len(held_out) >= 4 and len(wanted) >= 2:
        result["frechet"] = frechet_beside_floor(embedded, real, seed)
    copies = near_copies(embedded, known, real)
    sample = np.random.default_rng(seed).permutation(len(training))[: len(wanted)]
    memorised = judge.embed([rebuild(training[index].samples) for index in sample])
    closest = np.argsort(copies.distance)[:5]
    result["near_copies"] = {
        "share": copies.share,
        "share_of_held_out_by_definition": 0.05,
        "share_of_rebuilt_training_clips": near_copies(memorised, known, real).share,
        "threshold_cosine_distance": copies.threshold,
        "nearest_pairs": [
            {
                "generated": wanted[index].id,
                "training": training[copies.nearest[index]].audio_id,
                "cosine_distance": float(copies.distance[index]),
            }
            for index in closest
        ],
    }
    return result


def frechet_beside_floor(
    generated: Float[np.ndarray, "n d"], real: Float[np.ndarray, "m d"], seed: int
) -> dict[str, float | int]:
    """Frechet distance to held-out clips and the floor, both between sets of the same size.

    The distance of finite samples grows as they shrink, so real clips are split in two at random
    20 times: half A against half B is the floor, half A against as many generated clips the
    distance.

    Args:
      generated: embeddings [n d], n >= 2.
      real: embeddings [m d] of held-out clips, m >= 4.
      seed: of the splits.
    """
    rng = np.random.default_rng(seed)
    size = min(len(real) // 2, len(generated))
    distances, floors = [], []
    for _ in range(FRECHET_SPLITS):
        order = rng.permutation(len(real))
        half, other = real[order[:size]], real[order[size : 2 * size]]
        drawn = generated[rng.permutation(len(generated))[:size]]
        floors.append(frechet_distance(half, other))
        distances.append(frechet_distance(half, drawn))
    return {
        "generated_to_real": float(np.mean(distances)),
        "real_to_real_floor": float(np.mean(floors)),
        "clips_per_set": size,
        "splits": FRECHET_SPLITS,
    }


def _accuracy(
    judge: Judge, task: Task, recordings: Sequence[Recording], clips: Sequence[Samples]
) -> float:
    answers = judge.answers(task.name, clips)
    return float(np.mean([a == task.answer(r) for a, r in zip(answers, recordings, strict=True)]))
