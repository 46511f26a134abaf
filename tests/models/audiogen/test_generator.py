"""The glue between text, velocity model, training and sampling."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.flow.loss import flow_matching_loss
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.durations import global_latent_lengths
from audiogen_jax.models.audiogen.generator import DashengAudioGen
from audiogen_jax.models.audiogen.network import AudioGen
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.types import Tokens

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
    timeline=True,
)
GENERATOR = DashengAudioGen(CONFIG, TEXT)
IDS = jnp.array([[3, 4, 5], [6, 7, 0]])
MASK = jnp.array([[True] * 3, [True, True, False]])
PROMPTS = Tokens(IDS, MASK)
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.standard_normal((2, 5, 4), np.float32))
FRAMES = jnp.arange(5) < jnp.array([[5], [3]])
SIGMA = jnp.array([0.9, 0.4321])


@pytest.fixture(scope="module")
def params():
    """Every parameter random: the zeros of the initialisation would hide mistakes."""
    shapes = jax.eval_shape(GENERATOR.init, jax.random.key(0))
    return jax.tree.map(
        lambda leaf: np.random.default_rng(leaf.size).normal(0, 0.3, leaf.shape).astype(np.float32),
        shapes,
    )


@pytest.fixture(scope="module")
def encoded(params):
    return jax.jit(GENERATOR.condition)(params, PROMPTS)


@functools.cache
def jitted(generator):
    return jax.jit(generator.velocity)


def velocity(params, condition, sigma, generator=GENERATOR):
    return jitted(generator)(params, condition, X, sigma, FRAMES)


def test_training_reaches_every_parameter_that_generation_uses(params):
    def loss(params):
        encoded = GENERATOR.condition(params, PROMPTS)

        def velocity(x, sigma):
            return GENERATOR.velocity(params, encoded, x, sigma, FRAMES)

        flow = flow_matching_loss(velocity, X, X[::-1], SIGMA, FRAMES)
        return flow + GENERATOR.duration_loss(encoded, jnp.array([1.0, 2.0]))

    gradient = jax.jit(jax.grad(loss))(params)
    flat = {jax.tree_util.keystr(k): v for k, v in jax.tree.leaves_with_path(gradient)}
    assert all(np.isfinite(leaf).all() for leaf in flat.values())
    untouched = {name for name, leaf in flat.items() if not np.any(leaf)}
    unused = ("local_duration", "no_context")
    assert {name for name in untouched if not any(part in name for part in unused)} == set()


def test_unconditional_is_zero_context_before_its_embedding(params, encoded):
    without = GENERATOR.unconditional(encoded)
    assert not np.any(without.context) and not np.any(without.time_aligned)
    np.testing.assert_array_equal(without.context_mask, encoded.context_mask)
    np.testing.assert_array_equal(without.log_duration, encoded.log_duration)
    difference = velocity(params, without, SIGMA) - velocity(params, encoded, SIGMA)
    assert np.abs(difference).max() > 1e-3


def test_the_velocity_is_that_of_the_network(params, encoded):
    network = AudioGen(CONFIG, text_dim=6)
    clips = encoded.context, encoded.context_mask, encoded.time_aligned, FRAMES
    apply = jax.jit(lambda *args: network.apply(*args, method="velocity"))
    expected = apply({"params": params["audiogen"]}, X, 1000 * SIGMA, *clips)
    np.testing.assert_allclose(velocity(params, encoded, SIGMA), expected, atol=5e-6)


def test_sampling_computes_the_velocity_of_training(params, encoded):
    """Rows without a prompt first, from what was computed once per clip and once per level."""
    prepared = GENERATOR.for_sampling(params)
    both = GENERATOR.for_sampling(prepared)
    assert both["audiogen"]["dit"].keys() == prepared["audiogen"]["dit"].keys()

    @jax.jit
    def sampled(params, condition):
        cache = GENERATOR.cache(params, condition, unconditional=2)
        level = jax.tree.map(lambda leaf: leaf[1], GENERATOR.levels(params, SIGMA))
        x, mask = jnp.concatenate([X, X]), jnp.concatenate([FRAMES, FRAMES])
        return GENERATOR.sampling_velocity(params, cache, level, x, mask)

    found = sampled(prepared, encoded)
    sigma = jnp.full(2, SIGMA[1])
    without = velocity(params, GENERATOR.unconditional(encoded), sigma)
    valid = FRAMES[:, :, None]
    np.testing.assert_allclose(found[:2] * valid, without * valid, atol=1e-5)
    np.testing.assert_allclose(
        found[2:] * valid, velocity(params, encoded, sigma) * valid, atol=1e-5
    )


def test_only_the_release_cuts_timesteps(params, encoded):
    cut = jnp.array([0.9, 0.432])
    release = GENERATOR.with_quirks(Quirks(cut_timesteps=True))
    off = velocity(params, encoded, SIGMA, release) - velocity(params, encoded, cut, release)
    assert np.abs(off[1]).max() < 1e-6
    exact = velocity(params, encoded, SIGMA) - velocity(params, encoded, cut)
    assert np.abs(exact[1]).max() > 1e-5


def test_lengths_round_half_to_even():
    seconds = np.array([0.02, 0.06, 0.1, 9.92, 0.0])  # 0.5, 1.5, 2.5 frames
    config = AudioGenConfig(duration_offset=0.0)
    with np.errstate(divide="ignore"):
        lengths = global_latent_lengths(np.log(seconds), config)
    np.testing.assert_array_equal(lengths, [0, 2, 2, 248, 0])
