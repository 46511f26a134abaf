"""Each objective learns: its loss falls on one batch seen again and again."""

import functools

import jax
import numpy as np
import pytest

from audiogen_jax.train.batches import host_batch, open_batches
from audiogen_jax.train.stages import load_objective, parse_config

STEPS = 50


def run(config, keep):
    """Trains on the first batch; returns the metrics of each step and `keep(state)` after it."""
    settings = parse_config(config)
    objective = load_objective(settings)
    batch = host_batch(next(open_batches(settings.data, "train", settings.seed))).arrays
    state = objective.prepare(jax.jit(objective.init_state)(jax.random.key(0)))
    metrics, kept = [], []
    jitted = functools.cache(lambda step: jax.jit(step, donate_argnums=0))
    for step in range(STEPS):
        state, values = jitted(objective.step_at(step))(state, batch, objective.frozen)
        metrics.append({name: float(value) for name, value in values.items()})
        kept.append(keep(state))
    return metrics, kept


OVERRIDES = (f"steps={STEPS}", "optimizer.learning_rate=1e-2", "data.batch_sizes=(4,)")


@pytest.mark.parametrize(
    ("stage", "metric", "share"),
    [
        ("encoder", "loss", 0.8),
        pytest.param("generator", "duration", 0.5, marks=pytest.mark.slow),
    ],
)
def test_loss_falls(smoke, stage: str, metric: str, share: float):
    metrics, _ = run(smoke(stage, *OVERRIDES), keep=lambda state: None)
    values = [row[metric] for row in metrics]
    assert np.mean(values[-5:]) < share * np.mean(values[:5])


@pytest.mark.slow
def test_tokenizer_learns_and_freezes_its_injection(smoke):
    config = smoke("tokenizer", *OVERRIDES, f"gan.start_step={STEPS}", "freeze_injection_after=20")
    metrics, injections = run(
        config, lambda state: jax.tree.map(np.array, state.params["acoustic_injection"])
    )
    mel = [row["mel"] for row in metrics]
    assert np.mean(mel[-5:]) < 0.7 * np.mean(mel[:5])
    assert np.mean(mel[-5:]) < np.mean(mel[20:25])  # the decoder goes on learning
    moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), injections[18], injections[19])
    assert moved["patch_embed"]["kernel"] and moved["norm"]["bias"]
    jax.tree.map(np.testing.assert_array_equal, injections[19], injections[-1])
