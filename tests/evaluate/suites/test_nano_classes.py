"""Clips asked for by class: right ones, copies and noise, told apart."""

import numpy as np

from audiogen_jax.evaluate.judge.tasks import tasks_of
from audiogen_jax.evaluate.suites.nano_classes import class_prompts, evaluate_generation
from tests.evaluate.melodies import RECORDINGS, tone


def test_prompts_use_held_out_phrasings_and_every_class():
    (task,) = tasks_of(RECORDINGS)
    asked = class_prompts(task, RECORDINGS, per_class=3, seed=0)
    assert len({clip.id for clip in asked}) == len(asked) == 9  # classes without clips: none
    assert all(clip.prompt.asr == clip.expected for clip in asked)
    assert asked == class_prompts(task, RECORDINGS, per_class=3, seed=0)


def test_generation_of_right_clips_copies_and_wrong_clips(judge):
    (task,) = judge.tasks
    asked = class_prompts(task, RECORDINGS, per_class=4, seed=0)

    def evaluate(generated):
        return evaluate_generation(
            task, RECORDINGS, asked, generated, judge, rebuilt_by=lambda x: x, seed=0
        )

    right = evaluate([tone(clip.expected, 101 + 2 * i).samples for i, clip in enumerate(asked)])
    assert right["accuracy"]["generated"] > 0.9
    assert right["accuracy"]["real_held_out"] > 0.9
    assert right["accuracy"]["real_held_out_take_clips"] == 24
    training = {real.label: real.samples for real in RECORDINGS if real.split == "train"}
    copied = evaluate([training[clip.expected] for clip in asked])
    assert copied["near_copies"]["share"] == 1.0
    assert copied["near_copies"]["share_of_rebuilt_training_clips"] == 1.0
    assert right["near_copies"]["share"] < 0.6
    rng = np.random.default_rng(0)
    noise = evaluate([0.1 * rng.normal(size=8000) for _ in asked])
    assert noise["accuracy"]["generated"] < 0.6
    assert noise["frechet"]["generated_to_real"] > 3 * noise["frechet"]["real_to_real_floor"]
    assert noise["frechet"]["generated_to_real"] > 3 * right["frechet"]["generated_to_real"]
