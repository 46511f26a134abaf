"""The glue between text, velocity model, training and sampling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.flow.loss import duration_loss, flow_matching_loss
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.durations import global_latent_lengths
from audiogen_jax.models.audiogen.generator import (
    AudioGen,
    condition,
    drop_condition,
    init_params,
    velocity_fn,
)
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.models.t5.encoder import T5Encoder

TEXT = T5Config(vocab_size=20, d_model=6, d_kv=4, d_ff=12, num_layers=1, num_heads=2)
CONFIG = AudioGenConfig(
    latent_dim=4,
    dit_in_chans=4,
    dit_out_chans=4,
    dit_embed_dim=8,
    dit_depth=2,
    dit_num_heads=2,
    dit_mlp_ratio=1.0,
    content_dim=8,
    task_instruction_dim=8,
    dit_context_dim=8,
    dit_ta_context_dim=8,
    instruction_seq_len=2,
    adapter_num_heads=2,
    duration_predictor_filter_channels=4,
    duration_predictor_n_layers=1,
)
MODEL, TEXT_ENCODER = AudioGen(CONFIG, text_dim=6), T5Encoder(TEXT)
IDS = np.array([[3, 4, 5], [6, 7, 0]])
MASK = np.array([[True] * 3, [True, True, False]])
RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 5, 4), np.float32)
FRAMES = np.arange(5) < np.array([[5], [3]])
SIGMA = np.array([0.9, 0.4321], np.float32)


@pytest.fixture(scope="module")
def params():
    """Every parameter random: the zeros of the initialisation would hide mistakes."""
    shapes = jax.eval_shape(lambda key: init_params(key, MODEL, TEXT_ENCODER), jax.random.key(0))
    return jax.tree.map(
        lambda leaf: np.random.default_rng(leaf.size).normal(0, 0.3, leaf.shape).astype(np.float32),
        shapes,
    )


@pytest.fixture(scope="module")
def encoded(params):
    return jax.jit(lambda params: condition(MODEL, TEXT_ENCODER, params, IDS, MASK))(params)


def test_training_reaches_every_parameter_that_generation_uses(params):
    def loss(params):
        encoded = condition(MODEL, TEXT_ENCODER, params, IDS, MASK)
        velocity = velocity_fn(MODEL, params, encoded, FRAMES)
        flow = flow_matching_loss(velocity, X, X[::-1], SIGMA, FRAMES)
        return flow + duration_loss(encoded.log_duration, jnp.array([1.0, 2.0]), 1.0)

    gradient = jax.jit(jax.grad(loss))(params)
    flat = {jax.tree_util.keystr(k): v for k, v in jax.tree.leaves_with_path(gradient)}
    assert all(np.isfinite(leaf).all() for leaf in flat.values())
    untouched = {name for name, leaf in flat.items() if not np.any(leaf)}
    unused = ("local_duration", "no_context")
    assert {name for name in untouched if not any(part in name for part in unused)} == set()


def test_unconditional_is_zero_context_before_its_embedding(params, encoded):
    drop = np.array([False, True])
    dropped = drop_condition(encoded, drop)
    assert not np.any(dropped.context[1]) and not np.any(dropped.time_aligned[1])
    np.testing.assert_array_equal(dropped.context[0], encoded.context[0])
    np.testing.assert_array_equal(dropped.context_mask, encoded.context_mask)

    single = jax.jit(velocity_fn(MODEL, params, encoded, FRAMES))(X, SIGMA)
    mixed = jax.jit(velocity_fn(MODEL, params, dropped, FRAMES))(X, SIGMA)
    np.testing.assert_allclose(mixed[0], single[0], atol=1e-5)
    assert np.abs(mixed[1] - single[1]).max() > 1e-3


def test_the_velocity_function_is_the_velocity(params, encoded):
    out = jax.jit(velocity_fn(MODEL, params, encoded, FRAMES))(X, SIGMA)
    clips = encoded.context, encoded.context_mask, encoded.time_aligned, FRAMES
    velocity = jax.jit(lambda *args: MODEL.apply(*args, method="velocity"))
    expected = velocity({"params": params["audiogen"]}, X, 1000 * SIGMA, *clips)
    np.testing.assert_allclose(out, expected, atol=1e-6)


def test_only_the_release_cuts_timesteps(params, encoded):
    cut = np.array([0.9, 0.432], np.float32)
    release = jax.jit(velocity_fn(MODEL, params, encoded, FRAMES, compat="release"))
    np.testing.assert_allclose(release(X, SIGMA)[1], release(X, cut)[1], atol=1e-6)
    exact = jax.jit(velocity_fn(MODEL, params, encoded, FRAMES))
    assert np.abs(exact(X, SIGMA)[1] - exact(X, cut)[1]).max() > 1e-5


def test_lengths_round_half_to_even():
    seconds = np.array([0.02, 0.06, 0.1, 9.92, 0.0])  # 0.5, 1.5, 2.5 frames
    config = AudioGenConfig(duration_offset=0.0)
    with np.errstate(divide="ignore"):
        lengths = global_latent_lengths(np.log(seconds), config)
    np.testing.assert_array_equal(lengths, [0, 2, 2, 248, 0])
