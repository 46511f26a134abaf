"""The package's side of the generation benchmark, in a process of its own."""

import collections
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from audiogen_jax.checkpoints.registry import load_generator
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.flow.guidance import Guidance, guide
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.types import Latents, Tokens, parse_dtype
from tests.benchmarks.workload import Case


class Ours:
    """A generator without its text tokenizer: prompts are token ids."""

    def __init__(
        self,
        folder: Path,
        dtype: str = "fp32",
        param_dtype: str = "fp32",
        cache: Path | None = None,
    ):
        """Args: the checkpoint; dtypes of computation and parameters; folder of compiled code."""
        self._compile_seconds: dict[str, float] = collections.defaultdict(float)
        jax.monitoring.register_event_duration_secs_listener(self._count)
        if cache is not None:
            jax.config.update("jax_compilation_cache_dir", str(cache))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        loaded = load_generator(
            folder, dtype=parse_dtype(dtype), param_dtype=parse_dtype(param_dtype)
        )
        # Clips of any length go through the network in one piece, as on the other side.
        whole = loaded.generator.config.dit_img_size
        self._sampler = Sampler(loaded.generator, loaded.params, window=whole)
        self._codec = Codec(loaded.codec, self._sampler.mesh)

    def _count(self, event: str, seconds: float, **_: Any) -> None:
        if event.startswith("/jax/core/compile/"):
            self._compile_seconds[event.rsplit("/", 1)[-1]] += seconds

    def compile_seconds(self) -> dict[str, float]:
        """Seconds in each stage of compilation so far; reading the cache counts as compiling."""
        return dict(self._compile_seconds)

    def environment(self) -> dict[str, Any]:
        """Versions, hardware and commit."""
        return environment()

    def clip(self, case: Case, steps: int, compat: str | None = None) -> dict[str, Any]:
        """Prompts to waveforms; the predicted length is found and then not used."""
        noise = jnp.asarray(case.noise())
        options = SamplingOptions(steps, case.guidance, compat=compat)
        start = time.perf_counter()
        conditions = self._sampler.condition(Tokens(*case.text()))
        self._sampler.frames(conditions)
        rows = [[condition] for condition in conditions]
        latents = np.asarray(self._sampler.sample(rows, case.frames, noise, options))
        sampled = time.perf_counter()
        np.asarray(self._codec.decode_each(jnp.asarray(latents), case.frames))
        decoded = time.perf_counter()
        return {"latents": latents, "sample": sampled - start, "decode": decoded - sampled}

    def call(self, case: Case) -> dict[str, float]:
        """Seconds of one guided evaluation of the velocity, after one that is not counted.

        What a sampler computes before its first step is computed before.
        """
        generator, params = self._sampler.generator, self._sampler.params
        mask = jnp.ones((case.batch, case.frames[0]), bool)

        @jax.jit
        def prepare(params, prompts, sigmas):
            condition = generator.condition(params, prompts)
            cache = generator.cache(params, condition, unconditional=case.batch)
            return cache, generator.levels(params, sigmas)

        @jax.jit
        def velocity(params, cache, level, x, guidance):
            rows = jnp.tile(mask, (2, 1))

            def both(x: Latents, level: Any) -> Latents:
                return generator.sampling_velocity(params, cache, level, x, rows)

            return guide(both, guidance)(x, level)

        cache, levels = prepare(params, Tokens(*case.text()), jnp.array([0.5]))
        level = jax.tree.map(lambda leaf: leaf[0], levels)
        guidance = Guidance.classifier_free(case.guidance)
        arguments = (params, cache, level, jnp.asarray(case.noise()), guidance)
        np.asarray(velocity(*arguments))
        start = time.perf_counter()
        np.asarray(velocity(*arguments))
        return {"call": time.perf_counter() - start}
