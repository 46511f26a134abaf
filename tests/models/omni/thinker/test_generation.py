"""Answers: what the cache gives is what reading everything again gives, for each prompt alone."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.infer.compile import compiler_options
from audiogen_jax.models.language_model import Decoding
from audiogen_jax.models.omni.thinker.generation import likely_logits, penalised_logits
from audiogen_jax.models.omni.thinker.inputs import Sound, thinker_inputs
from audiogen_jax.models.omni.thinker.text import TextDecoder, unstack
from audiogen_jax.models.omni.thinker.thinker import Thinker
from tests.tiny_thinker import CONFIG, random_params

TOKENS = 6
LENGTH = 24
MODEL = Thinker(CONFIG)


@pytest.fixture(scope="module")
def params():
    return random_params(CONFIG)


@pytest.fixture(scope="module")
def prompts():
    rng = np.random.default_rng(0)
    sound = Sound(rng.standard_normal((23, CONFIG.audio.num_mel_bins)).astype(np.float32))
    return [[[1, 5, 9], sound, [7]], [[3, 8, 2, 11, 30, 31, 4, 4, 4]], [[6]]]


@functools.cache
def jitted(stop_ids):
    return jax.jit(lambda *args: MODEL.answer(*args, Decoding(TOKENS), stop_ids))


def answer(params, inputs, keys, stop_ids=()):
    return jitted(stop_ids)(params, inputs, keys)


@pytest.fixture(scope="module")
def greedy(params, prompts):
    inputs = MODEL.inputs(prompts, LENGTH)
    return np.asarray(answer(params, inputs, jax.random.split(jax.random.key(0), 3))[0])


def test_reading_everything_again_gives_the_same(params, prompts, greedy):
    """The next token by one pass over the prompt and what was answered so far."""

    @jax.jit
    def logits(params, inputs):
        x = MODEL.embed(params, inputs)
        x, _ = MODEL.text.read(params["text"], x, inputs.positions, inputs.mask)
        last = inputs.mask.sum(axis=1) - 1
        return MODEL.text.logits(params["text"], x[jnp.arange(len(last)), last])

    for step in range(TOKENS):
        grown = [
            [*prompt, ids[:step].tolist()] for prompt, ids in zip(prompts, greedy, strict=True)
        ]
        inputs = jax.tree.map(jnp.asarray, MODEL.inputs(grown, LENGTH))
        np.testing.assert_array_equal(logits(params, inputs).argmax(axis=-1), greedy[:, step])


def test_a_batch_is_its_prompts_one_at_a_time(params, prompts, greedy):
    keys = jax.random.split(jax.random.key(0), 3)
    for row, prompt in enumerate(prompts):
        inputs = MODEL.inputs([prompt], LENGTH)
        alone, _ = answer(params, inputs, keys[row : row + 1])
        np.testing.assert_array_equal(alone[0], greedy[row])


def test_an_answer_ends_before_a_stop_id(params, prompts, greedy):
    stop = int(greedy[0, 2])
    inputs = MODEL.inputs(prompts, LENGTH)
    keys = jax.random.split(jax.random.key(0), 3)
    ids, mask = answer(params, inputs, keys, stop_ids=(stop,))
    for row, expected in enumerate(greedy):
        ends = np.flatnonzero(expected == stop)
        count = ends[0] if len(ends) else TOKENS
        assert mask[row].sum() == count and mask[row, :count].all()
        np.testing.assert_array_equal(ids[row, :count], expected[:count])


def test_drawn_answers_are_those_of_their_keys(params, prompts):
    inputs = MODEL.inputs(prompts, LENGTH)
    decoding = Decoding(TOKENS, temperature=1.0, top_p=0.9)
    keys = jax.random.split(jax.random.key(1), 3)
    run = jax.jit(lambda *args: MODEL.answer(*args, decoding, ()))
    first, again = run(params, inputs, keys)[0], run(params, inputs, keys)[0]
    np.testing.assert_array_equal(first, again)
    others = run(params, inputs, jax.random.split(jax.random.key(2), 3))[0]
    assert (np.asarray(first) != np.asarray(others)).any()
    swapped = run(params, inputs, keys.at[0].set(keys[1]))[0]
    np.testing.assert_array_equal(swapped[1:], first[1:])


def test_what_stands_in_padding_changes_nothing(params, prompts, greedy):
    inputs = MODEL.inputs(prompts, LENGTH)
    ids = np.where(inputs.mask, inputs.ids, 77)
    positions = np.where(inputs.mask, inputs.positions, 999)
    inputs = inputs._replace(ids=ids, positions=positions)
    found, _ = answer(params, inputs, jax.random.split(jax.random.key(0), 3))
    np.testing.assert_array_equal(found, greedy)


def test_likely_tokens():
    logits = jnp.log(jnp.array([[0.5, 0.3, 0.15, 0.05]]))
    kept = likely_logits(logits, Decoding(temperature=1.0, top_p=0.7))
    assert jnp.isfinite(kept).tolist() == [[True, True, False, False]]
    kept = likely_logits(logits, Decoding(temperature=1.0, top_p=0.01))
    assert jnp.isfinite(kept).tolist() == [[True, False, False, False]]
    cooler = jax.nn.softmax(likely_logits(logits, Decoding(temperature=0.5)))
    assert cooler[0, 0] > 0.5


def test_tokens_that_an_answer_has_are_less_likely():
    logits = jnp.array([[4.0, -2.0, 3.0, -1.0]] * 2)
    said = jnp.array([[0, 1, 0, -1], [-1, -1, -1, -1]])
    made = penalised_logits(logits, said, 2.0)
    np.testing.assert_array_equal(made, [[2.0, -4.0, 3.0, -1.0], logits[0]])


@pytest.mark.parametrize(
    "wrong",
    [{"max_tokens": 0}, {"temperature": -1.0}, {"top_p": 0.0}, {"repetition_penalty": 0.5}],
)
def test_bad_decoding(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Decoding(**wrong)


def test_layers_behind_are_not_needed(params, prompts):
    """Hidden states of layer -2 without the last layer, the norm and the head."""
    inputs = MODEL.inputs(prompts, LENGTH)
    text = {name: params["text"][name] for name in ("embed", "layers")}
    text["layers"] = text["layers"][:-1]
    hidden_states = jax.jit(lambda *args: MODEL.hidden_states(*args))
    few = hidden_states({**params, "text": text}, inputs)
    whole = hidden_states(params, inputs)
    np.testing.assert_array_equal(few.states, whole.states)
    with pytest.raises(ValueError, match="layer=-1"):
        MODEL.hidden_states(params, inputs, layer=-1)


def test_a_sound_too_short():
    with pytest.raises(ValueError, match="at least 3"):
        thinker_inputs(CONFIG, [[Sound(np.zeros((2, CONFIG.audio.num_mel_bins), np.float32))]])


def test_sizes_that_no_thinker_has():
    with pytest.raises(ValueError, match="one width"):
        dataclasses.replace(CONFIG, audio=dataclasses.replace(CONFIG.audio, output_dim=12))
    with pytest.raises(ValueError, match="mrope_section"):
        dataclasses.replace(CONFIG.text, mrope_section=(1, 1, 1))
    with pytest.raises(ValueError, match="window_size"):
        dataclasses.replace(CONFIG.vision, window_size=100)


def test_weights_in_half_precision_are_widened_a_layer_at_a_time():
    """On CPU, where XLA multiplies in float32: less memory than half a float32 copy of them."""
    config = dataclasses.replace(
        CONFIG.text, hidden_size=512, intermediate_size=2048, num_hidden_layers=8,
        num_attention_heads=8, num_key_value_heads=4,
        mrope_section=(8, 12, 12),
    )  # fmt: skip
    text = TextDecoder(config)
    shapes = jax.eval_shape(lambda key: unstack(text.init(key)), jax.random.key(0))
    half = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.bfloat16), shapes)
    x, mask = jnp.zeros((1, 4, 512)), jnp.ones((1, 4), bool)
    read = jax.jit(lambda p: text.read(p, x, jnp.zeros((3, 1, 4), int), mask)[0])
    compiled = read.lower(half).compile(compiler_options(half))
    temporary = compiled.memory_analysis().temp_size_in_bytes
    assert temporary < sum(2 * leaf.size for leaf in jax.tree.leaves(half["layers"]))


def test_nothing_is_made_of_the_last_token(params, prompts, monkeypatch):
    """The prompt gives the first token, each pass one more."""
    passes, step = [], TextDecoder.step

    def counted(self, *arguments):
        jax.debug.callback(lambda: passes.append(1))
        return step(self, *arguments)

    monkeypatch.setattr(TextDecoder, "step", counted)
    traced_anew = jitted.__wrapped__(())
    traced_anew(params, MODEL.inputs(prompts[:1], LENGTH), jax.random.split(jax.random.key(0), 1))
    jax.effects_barrier()
    assert len(passes) == TOKENS - 1
