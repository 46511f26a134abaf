"""Trains the judge on real training clips, the same way every time."""

import dataclasses
from collections.abc import Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from audiogen_jax.evaluate.judge.features import (
    N_MELS,
    WINDOW,
    augment,
    mel_power,
    random_window,
)
from audiogen_jax.evaluate.judge.network import Judge, JudgeNet
from audiogen_jax.evaluate.judge.tasks import NOTHING, Subject, Task, tasks_of
from audiogen_jax.evaluate.recordings import Recording, teaching
from audiogen_jax.types import Params


@dataclasses.dataclass(frozen=True)
class JudgeTraining:
    """How the judge is trained; the defaults are the protocol of the published numbers.

    Attributes:
      steps: optimizer steps.
      batch_size: windows per step.
      learning_rate: highest, after a twentieth of the steps; it falls to 0 as a cosine.
      weight_decay: of AdamW.
      label_smoothing: probability spread over all classes of the task.
      mixed: share of windows with a clip of another task under or over the right one; of the
        background, with one of nothing but speech or sounds, and as often another.
      mixed_db: range of the level of a mixed-in clip above the one that is asked about.
      subject: what is asked, see `tasks_of`.
      seed: of parameters, batches and augmentation.
    """

    steps: int = 1500
    batch_size: int = 48
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    mixed: float = 0.5
    mixed_db: tuple[float, float] = (-12.0, 12.0)
    subject: Subject = "foreground"
    seed: int = 0


BACKGROUND = JudgeTraining(steps=900, mixed=0.75, mixed_db=(-6.0, 15.0), subject="background")
"""Of the judge of what is behind voices and sounds, which are mostly louder."""
Pools: TypeAlias = dict[int, list[Float[np.ndarray, "t f"]]]
"""Class -> mel powers of its clips; a class without clips is never asked."""


def train_judge(recordings: Sequence[Recording], training: JudgeTraining | None = None) -> Judge:
    """Trains a judge from scratch on real clips.

    Every batch asks each task equally often and each class of a task equally often.

    Args:
      recordings: real clips; only those of the training split are used, see `teaching`.
      training: steps, batch size, seed …

    Raises:
      ValueError: no clip teaches any task.
    """
    training = training or JudgeTraining()
    recordings = teaching(recordings)
    tasks = tasks_of(recordings, training.subject)
    if not tasks:
        raise ValueError(
            f"no real training clip teaches the {training.subject}: a digit, word or ESC-10 sound; "
            "or music or ambience beside speech or sounds without"
        )
    num_classes = sum(len(task.classes) for task in tasks)
    offsets = np.cumsum([0] + [len(task.classes) for task in tasks])
    pools: list[Pools] = [{} for _ in tasks]
    allowed = np.full((len(tasks), num_classes), -1e9, np.float32)
    for index, task in enumerate(tasks):
        allowed[index, offsets[index] : offsets[index + 1]] = 0.0
        for clip in recordings:
            answer = task.answer(clip)
            if answer is not None:
                label = int(offsets[index]) + task.classes.index(answer)
                power = mel_power(clip.samples, clip.sample_rate)
                pools[index].setdefault(label, []).append(power)
    mixed_in = [_others(index, tasks, pools, recordings) for index in range(len(tasks))]

    net = JudgeNet(num_classes)
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, training.learning_rate, training.steps // 20, training.steps
    )
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(schedule, weight_decay=training.weight_decay),
    )

    def loss(
        params: Params,
        key: PRNGKeyArray,
        power: Float[Array, "b t f"],
        label: Int[Array, " b"],
        mask: Float[Array, "b c"],
    ) -> Float[Array, ""]:
        augment_key, dropout_key = jax.random.split(key)
        log_mel = jax.vmap(augment)(jax.random.split(augment_key, len(power)), power)
        logits: Array = net.apply(  # pyright: ignore
            {"params": params}, log_mel, deterministic=False, rngs={"dropout": dropout_key}
        )[1]
        inside = mask == 0.0
        smooth = inside / inside.sum(-1, keepdims=True)
        target = jax.nn.one_hot(label, num_classes)
        target += training.label_smoothing * (smooth - target)
        log_probs = jnp.where(inside, jax.nn.log_softmax(logits + mask), 0.0)
        return -(target * log_probs).sum(-1).mean()

    @jax.jit
    def step(params, state, key, power, label, mask):
        value, grads = jax.value_and_grad(loss)(params, key, power, label, mask)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    key = jax.random.key(training.seed)
    params = jax.jit(net.init)(key, jnp.zeros((1, WINDOW, N_MELS)))["params"]
    state = jax.jit(optimizer.init)(params)
    rng = np.random.default_rng(training.seed)
    for number in range(training.steps):
        task_ids = np.arange(training.batch_size) % len(tasks)
        labels = [rng.choice(list(pools[index])) for index in task_ids]
        drawn = [
            pools[index][label][rng.integers(len(pools[index][label]))]
            for index, label in zip(task_ids, labels, strict=True)
        ]
        power = np.stack([random_window(clip, rng) for clip in drawn])
        for row in np.flatnonzero(rng.random(len(power)) < training.mixed):
            others = mixed_in[task_ids[row]]
            if others:
                power[row] = _mixed(power[row], others, training.mixed_db, rng)
                if training.subject == "background" and rng.random() < training.mixed:
                    power[row] = _mixed(power[row], others, training.mixed_db, rng)
        params, state, _ = step(
            params, state, jax.random.fold_in(key, number), power, np.array(labels),
            allowed[task_ids],
        )  # fmt: skip
    return Judge(tasks, jax.device_get(params))


def _others(
    index: int, tasks: Sequence[Task], pools: Sequence[Pools], recordings: Sequence[Recording]
) -> list[Pools]:
    """What may be mixed into the clips of a task: those of other tasks.

    Of the background, speech and sounds apart, as it is the same with and without them.
    """
    if tasks[index].name != "background":
        return [pool for other, pool in enumerate(pools) if other != index]
    label = tasks[index].classes.index(NOTHING)  # it is the only task of its judge
    clips = [clip for clip in recordings if tasks[index].answer(clip) == NOTHING]
    names = sorted({clip.label or "" for clip in clips})
    groups: tuple[Pools, Pools] = ({}, {})
    for clip, power in zip(clips, pools[index][label], strict=True):
        group = groups["asr" not in clip.views]
        group.setdefault(names.index(clip.label or ""), []).append(power)
    return [group for group in groups if group]


def _mixed(
    power: Float[np.ndarray, "t f"],
    others: Sequence[Pools],
    decibels: tuple[float, float],
    rng: np.random.Generator,
) -> Float[np.ndarray, "t f"]:
    """A window with a random clip added; mel powers of unrelated sounds add up."""
    pool = others[int(rng.integers(len(others)))]
    clips = pool[int(rng.choice(list(pool)))]
    other = random_window(clips[int(rng.integers(len(clips)))], rng)
    level = 10 ** (rng.uniform(*decibels) / 10)
    return power + level * power.mean() / max(float(other.mean()), 1e-12) * other
