"""Few programs: what is compiled depends on structure and shapes alone, and the last ones stay."""

import gc
import resource
import weakref
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import audiogen_jax as ag
from audiogen_jax.infer.compile import MAX_PROGRAMS, Programs, keep_programs
from audiogen_jax.infer.source import Source
from tests.compilations import counted_compilations

SCENES = [
    "<|caption|> a dog barks <|sfx|> dog <|env|> rain",
    "<|caption|> barks a dog <|sfx|> rain <|env|> dog",
]
HISS, HUSH = "<|caption|> hiss", "<|caption|> hush"


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint):
    return ag.load(tiny_checkpoint)


def source(seconds: float, *regenerate: tuple[float, float], noise_level: float = 1.0) -> Source:
    noise = np.random.default_rng(0).normal(0, 0.1, round(16000 * seconds))
    return Source(noise.astype(np.float32), regenerate, noise_level)


def test_the_programs_used_last_stay():
    made = []

    def double(params, x, *, power=1):
        made.append((x.shape, power))
        return params * x**power

    programs = Programs(double, limit=2)
    two, three, four = (jnp.ones(size) for size in (2, 3, 4))
    for x in (two, three, two, four):  # three goes
        np.testing.assert_array_equal(programs(2.0, x), 2 * x)
    assert made == [((2,), 1), ((3,), 1), ((4,), 1)] and len(programs) == 2
    programs(2.0, two), programs(2.0, four)
    assert len(made) == 3
    programs(2.0, three)  # two goes
    np.testing.assert_array_equal(programs(2.0, three, power=2), 2 * three)
    np.testing.assert_array_equal(programs(2.0, three.astype(jnp.int32)), 2 * three)
    assert made[3:] == [((3,), 1), ((3,), 2), ((3,), 1)] and len(programs) == 2


def test_processes_that_stay_keep_as_many_as_they_say():
    usual, limited = (Programs(lambda params, x: params + x, limit) for limit in (None, 1))
    try:
        for most in (2, 3, 1):
            keep_programs(most)
            for size in (2, 3, 4, 5):
                usual(1.0, jnp.ones(size)), limited(1.0, jnp.ones(size))
            assert (len(usual), len(limited)) == (most, 1)
    finally:
        keep_programs(MAX_PROGRAMS)


def test_what_was_dropped_is_freed():
    programs = Programs(lambda params, x: params + x, limit=1)
    programs(1.0, jnp.ones(2))
    (dropped,) = map(weakref.ref, programs._programs.values())
    programs(1.0, jnp.ones(3))
    gc.collect()
    assert dropped() is None


def test_only_structure_and_shapes_compile(pipeline):
    """Scales, intervals, levels, spans, schedules, seeds, prompts, views and lengths do not."""

    def make(prompt: str, **options) -> None:
        pipeline.generate(prompt, steps=2, **options)

    def every_kind(prompt, seed, seconds, scale, interval, negative, views, spans, level, schedule):
        options = {"seed": seed, "duration": seconds, "schedule": schedule}
        make(prompt, guidance=scale, **options)
        make(prompt, guidance=scale, guidance_interval=interval, **options)
        make(prompt, guidance=scale, negative=negative, view_guidance=views, **options)
        make(prompt, source=source(seconds, *spans), **options)
        make(prompt, source=source(seconds + 0.1, (0.0, np.inf), noise_level=level), **options)

    every_kind(SCENES[0], 0, 0.5, 5.0, (0.1, 0.9), HISS, {"sfx": 2.0}, ((0.1, 0.2),), 0.5, "sway")
    with counted_compilations() as programs:
        every_kind(
            SCENES[1],
            7,
            0.61,
            2.5,
            (0.3, 0.7),
            HUSH,
            {"env": 9.0},
            ((0.2, 0.3), (0.4, 0.5)),
            0.9,
            "linear",
        )
    assert programs == []


def test_loaded_again_nothing_is_compiled_again(pipeline, tiny_checkpoint):
    options = {"seed": 0, "steps": 2, "duration": 0.5}
    before = pipeline.generate(SCENES[0], **options)
    with counted_compilations() as programs:
        (clip,) = ag.load(tiny_checkpoint).generate(SCENES[0], **options)
    assert programs == []
    np.testing.assert_array_equal(clip.audio, before[0].audio)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_dropped_programs_give_their_memory_back():
    def chain(params, x):
        for number in range(40):
            x = jnp.tanh(x @ params) + jnp.sin(x) * number
        return x

    programs, params = Programs(chain, limit=3), jnp.eye(32)
    sizes = []
    for rows in range(1, 41):
        programs(params, np.ones((rows, 32), np.float32)).block_until_ready()
        gc.collect()
        sizes.append(resident_bytes() / 2**20)
    assert sizes[-1] - sizes[7] < 20, sizes


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_memory_levels_off(tiny_checkpoint):
    """200 generations of varied lengths and options in one process."""
    pipeline, rng = ag.load(tiny_checkpoint), np.random.default_rng(0)

    def generate() -> None:
        seconds = rng.uniform(0.2, 4.0)
        kinds = (
            {},
            {"view_guidance": {"sfx": rng.uniform(1, 9)}, "negative": HISS},
            {"guidance_interval": (rng.uniform(0, 0.4), rng.uniform(0.6, 1))},
            {"source": source(seconds, (0.1, rng.uniform(0.15, 0.2)))},
        )
        pipeline.generate(
            SCENES[: rng.integers(1, 3)],
            seed=int(rng.integers(100)),
            steps=int(rng.integers(1, 4)),
            guidance=rng.uniform(1.5, 9),
            duration=seconds,
            **kinds[rng.integers(4)],
        )

    sizes = [resident_bytes() / 2**20]
    for _ in range(2):
        for _ in range(100):
            generate()
        assert len(pipeline._sampler.programs.integrate) <= MAX_PROGRAMS
        sizes.append(resident_bytes() / 2**20)
    first, second = np.diff(sizes)
    assert second < 0.5 * first, sizes
