"""The package's side of the generation benchmark, in a process of its own."""

import collections
import functools
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.flow.guidance import guidance_weights, guide
from audiogen_jax.infer.loading import load_generator
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.sampler import Sampler
from audiogen_jax.models.audiogen.cached_dit import cached_velocity, prepare_levels, prepare_text
from audiogen_jax.models.audiogen.dit import DiT
from tests.benchmarks.case import Case

DTYPES = {"fp32": jnp.float32, "bf16": jnp.bfloat16}


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
        parts = load_generator(folder, param_dtype=DTYPES[param_dtype])
        self._config, self._tokenizer, self._dtype = parts.config, parts.tokenizer, DTYPES[dtype]
        self._sampler = Sampler(
            parts.config, parts.params, parts.text_config, parts.text_params, dtype=self._dtype
        )

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
        ids, mask = case.text()
        noise, options = (
            jnp.asarray(case.noise()),
            SamplingOptions(steps, case.guidance, compat=compat),
        )
        start = time.perf_counter()
        self._sampler.frames(ids, mask)
        latents = np.asarray(self._sampler.sample(ids, mask, case.frames, noise, options))
        sampled = time.perf_counter()
        np.asarray(self._tokenizer.decode_each(jnp.asarray(latents), case.frames))
        decoded = time.perf_counter()
        return {"latents": latents, "sample": sampled - start, "decode": decoded - sampled}

    @functools.cached_property
    def _call(self) -> Any:
        dit, config = DiT(self._config, dtype=self._dtype), self._config

        @jax.jit
        def prepare(params, context, sigmas):
            aligned = jnp.zeros((2 * len(context), 1, config.dit_ta_context_dim))
            return prepare_text(dit, params, context, aligned), prepare_levels(dit, params, sigmas)

        @functools.partial(jax.jit, static_argnames="weights")
        def velocity(params, x, level, text, token_mask, frame_mask, weights):
            both = cached_velocity(dit, params, text, token_mask, frame_mask)
            return guide(both, jnp.array(weights))(x, level)

        return prepare, velocity

    def call(self, case: Case) -> dict[str, float]:
        """Seconds of one guided evaluation of the velocity, after one that is not counted."""
        prepare, velocity = self._call
        params, (_, token_mask) = self._sampler.params["dit"], case.text()
        context = jnp.ones((*token_mask.shape, self._config.dit_context_dim))
        text, levels = prepare(params, context, jnp.array([0.5]))
        level = jax.tree.map(lambda leaf: leaf[0], levels)
        x, frame_mask = jnp.asarray(case.noise()), jnp.ones((2 * case.batch, case.frames[0]), bool)
        arguments = (params, x, level, text, token_mask, frame_mask)
        weights = tuple(guidance_weights(case.guidance))
        np.asarray(velocity(*arguments, weights=weights))
        start = time.perf_counter()
        np.asarray(velocity(*arguments, weights=weights))
        return {"call": time.perf_counter() - start}
