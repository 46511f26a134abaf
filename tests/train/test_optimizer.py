"""Schedule and frozen parameters."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from audiogen_jax.train.optimizer import OptimizerConfig, learning_rate_schedule, make_optimizer

CONFIG = OptimizerConfig(
    learning_rate=0.1, warmup_steps=0, b1=0.9, b2=0.99, weight_decay=0.5, clip_norm=1e9
)
PARAMS = {
    "encoder": {"kernel": jnp.ones((2, 2))},
    "decoder": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)},
}


def test_schedule():
    schedule = learning_rate_schedule(1.0, warmup_steps=10, total_steps=110)
    values = np.array([schedule(step) for step in range(111)])
    assert 0 < values[0] < 0.2
    assert values.argmax() == 10 and values[10] == pytest.approx(1.0)
    assert (np.diff(values[:11]) > 0).all() and (np.diff(values[10:]) < 0).all()
    assert values[60] == pytest.approx(0.55)  # half-way between 1 and 0.1
    assert values[110] == pytest.approx(0.1)


@pytest.mark.parametrize("warmup", [-1, 10, 11])
def test_warmup_must_fit(warmup: int):
    with pytest.raises(ValueError, match=f"warmup_steps={warmup}"):
        learning_rate_schedule(1.0, warmup, total_steps=10)


def run(optimizer: optax.GradientTransformation, steps: int):
    params, state = PARAMS, optimizer.init(PARAMS)
    gradients = jax.tree.map(jnp.zeros_like, PARAMS)
    history = [params]
    for _ in range(steps):
        updates, state = optimizer.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
        history.append(params)
    return history


def test_frozen_and_decayed():
    history = run(make_optimizer(CONFIG, 10, frozen=("encoder/.*",)), 1)
    after = history[1]
    np.testing.assert_array_equal(after["encoder"]["kernel"], 1)  # frozen: not even decayed
    np.testing.assert_array_equal(after["decoder"]["bias"], 1)  # only kernels decay
    np.testing.assert_allclose(after["decoder"]["kernel"], 1 - 0.1 * 0.5, rtol=1e-6)


def test_frozen_after():
    history = run(make_optimizer(CONFIG, 10, frozen_after=[("encoder/.*", 2)]), 4)
    kernels = [float(params["encoder"]["kernel"][0, 0]) for params in history]
    assert kernels[0] > kernels[1] > kernels[2] == kernels[3] == kernels[4]
    assert history[4]["decoder"]["kernel"][0, 0] < history[3]["decoder"]["kernel"][0, 0]


def test_pattern_without_a_match():
    with pytest.raises(ValueError, match="frozen='encodr/.*' matches no parameter"):
        make_optimizer(CONFIG, 10, frozen=("encodr/.*",)).init(PARAMS)


def test_no_moments_of_frozen_parameters():
    state = make_optimizer(CONFIG, 10, frozen=("encoder/.*",)).init(PARAMS)
    sizes = [leaf.size for leaf in jax.tree.leaves(state)]
    assert sum(sizes) < 2 * 6 + 10  # two moments of the decoder, and counters


def test_a_first_moment_in_half_precision():
    config = dataclasses.replace(CONFIG, first_moment_dtype="bfloat16", learning_rate=1e-3)
    gradients = jax.tree.map(lambda leaf: 0.1 * leaf + 0.01, PARAMS)

    def moved(config: OptimizerConfig):
        optimizer = make_optimizer(config, 10)
        state = optimizer.init(PARAMS)
        for _ in range(3):
            updates, state = optimizer.update(gradients, state, PARAMS)
        return updates, sorted({str(leaf.dtype) for leaf in jax.tree.leaves(state)})

    (half, kinds), (full, _) = (
        moved(config),
        moved(dataclasses.replace(config, first_moment_dtype="float32")),
    )
    assert kinds == ["bfloat16", "float32", "int32"]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0.02), half, full)
    with pytest.raises(ValueError, match="first_moment_dtype='float16'"):
        dataclasses.replace(CONFIG, first_moment_dtype="float16")
