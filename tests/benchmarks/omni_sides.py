"""Both sides of the benchmark of Audio-Omni, each for a process of its own."""

import time
from pathlib import Path

import numpy as np

DEPTH, GUIDANCE = 4, 7.0
PROMPT, ANSWER = 256, 32
CONTEXT = 64 + 256
"""Tokens of a prompt and of no transcript; nothing is padded."""


def conditions() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise [b t c], context [b l e] and prefix [b p e] of one clip."""
    rng = np.random.default_rng(1)
    sizes = ((1, 236, 64), (1, CONTEXT, 768), (1, 128 + 236, 768))
    noise, context, prefix = (rng.standard_normal(size, np.float32) for size in sizes)
    return noise, context, prefix


def prompt() -> np.ndarray:
    """Token ids."""
    return np.random.default_rng(1).integers(0, 150_000, (1, PROMPT))


class OurNetwork:
    """This package's sampler."""

    def __init__(self, folder: Path):
        """Loads the network, float32 as in its file."""
        import jax

        from audiogen_jax.checkpoints.folder import CheckpointFolder
        from audiogen_jax.checkpoints.omni_generator import load_omni
        from audiogen_jax.infer.sampler import Sampler
        from audiogen_jax.models.omni.generator import AudioOmni, Condition

        config, network = load_omni(CheckpointFolder(folder), put=jax.device_put, stacked=False)
        generator, dit = AudioOmni(config), {"dit": network["dit"]}  # conditions are given
        self._sampler = Sampler(generator, generator.for_sampling({"omni": dit}))
        self._noise, context, prefix = conditions()
        mask = np.ones(context.shape[:2], bool)
        self._condition = Condition(*map(jax.numpy.asarray, (context, mask, prefix)))

    def sample(self, steps: int) -> np.ndarray:
        """Latents [b t c]."""
        from audiogen_jax.infer.options import SamplingOptions

        options = SamplingOptions(steps, GUIDANCE)
        length = np.full(1, self._noise.shape[1])
        return np.asarray(self._sampler.sample([[self._condition]], length, self._noise, options))

    def call(self) -> float:
        """Seconds of a step, what comes before the first one left out."""
        one, two = self.seconds_of_clip(1), self.seconds_of_clip(2)
        return two - one

    def seconds_of_clip(self, steps: int) -> float:
        start = time.perf_counter()
        self.sample(steps)
        return time.perf_counter() - start


class TorchNetwork:
    """PyTorch, eager."""

    def __init__(self, folder: Path, threads: int):
        """Loads the network."""
        import torch  # noqa: TID251

        from audiogen_jax.models.omni.config import OmniConfig
        from tests.benchmarks.torch_omni import TorchOmni

        torch.set_num_threads(threads)
        self._torch, self._model = torch, TorchOmni(folder, OmniConfig(depth=DEPTH))
        noise, *rest = map(torch.from_numpy, conditions())
        self._inputs = noise.mT.contiguous(), *rest

    def sample(self, steps: int) -> np.ndarray:
        """Latents [b t c]."""
        with self._torch.inference_mode():
            return self._model.sample(*self._inputs, steps, GUIDANCE).mT.numpy()

    def call(self) -> float:
        """Seconds of a step."""
        return self.seconds_of_clip(1)

    def seconds_of_clip(self, steps: int) -> float:
        start = time.perf_counter()
        self.sample(steps)
        return time.perf_counter() - start


class OurThinker:
    """This package's thinker."""

    def __init__(self, folder: Path, param_dtype: str):
        """Loads it; it computes in float32 whatever it keeps."""
        import jax

        from audiogen_jax.checkpoints.folder import CheckpointFolder
        from audiogen_jax.checkpoints.qwen_omni import load_thinker
        from audiogen_jax.infer.compile import Programs, compiler_options
        from audiogen_jax.models.language_model import Decoding
        from audiogen_jax.models.omni.thinker.inputs import thinker_inputs
        from audiogen_jax.models.omni.thinker.thinker import Thinker

        opened = CheckpointFolder(folder)
        config, self._params = load_thinker(opened, param_dtype, jax.device_put, stacked=False)
        model, keys = Thinker(config), jax.random.split(jax.random.key(0), 1)
        self._inputs = thinker_inputs(config, [[prompt()[0].tolist()]])
        self._answers = Programs(
            lambda p, i, count: model.answer(p, i, keys, Decoding(max_tokens=count), ())[0],
            compiler_options=compiler_options(self._params),
        )

    def answer(self, count: int) -> tuple[float, list[int]]:
        """Seconds, ids."""
        start = time.perf_counter()
        ids = np.asarray(self._answers(self._params, self._inputs, count=count))[0].tolist()
        return time.perf_counter() - start, ids


class TorchThinker:
    """transformers, eager."""

    def __init__(self, folder: Path, threads: int):
        """Loads it, widened to float32."""
        import torch  # noqa: TID251
        from transformers import (  # noqa: TID251
            Qwen2_5OmniThinkerForConditionalGeneration as Model,
        )

        torch.set_num_threads(threads)
        self._torch = torch
        self._model = Model.from_pretrained(folder, dtype=torch.float32).eval()
        self._ids = torch.from_numpy(prompt())

    def answer(self, count: int) -> tuple[float, list[int]]:
        """Seconds, ids."""
        start = time.perf_counter()
        with self._torch.inference_mode():
            ids = self._model.generate(
                self._ids,
                attention_mask=self._torch.ones_like(self._ids),
                max_new_tokens=count,
                min_new_tokens=count,
                do_sample=False,
                use_cache=True,
            )
        return time.perf_counter() - start, ids[0, PROMPT:].tolist()
