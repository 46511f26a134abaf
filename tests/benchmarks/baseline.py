"""The PyTorch side of the generation benchmark, in a process of its own."""

import time
from pathlib import Path
from typing import Any

import torch  # noqa: TID251
from torch.utils.mkldnn import to_mkldnn  # noqa: TID251

from tests.benchmarks.torch_audiogen import TorchAudioGen
from tests.benchmarks.workload import Case


class Baseline:
    """A generator without its text tokenizer: prompts are token ids."""

    def __init__(self, folder: Path, threads: int, device: str = "cpu", onednn: bool = False):
        """Loads the checkpoint.

        Args:
          folder: of the generator.
          threads: of every operation.
          device: "cpu" or "cuda".
          onednn: run the linear layers of the velocity network through oneDNN instead of the BLAS
            that torch was built with, which may know the processor less well (MKL on AMD does).
        """
        torch.set_num_threads(threads)
        torch.set_default_device(device)
        self._model, self._device = TorchAudioGen.load(folder), device
        if onednn:
            self._model.backbone = to_mkldnn(self._model.backbone)

    def _inputs(self, case: Case) -> tuple[torch.Tensor, ...]:
        arrays = (*case.text(), case.frames, case.noise().swapaxes(1, 2).copy())
        return tuple(torch.from_numpy(array).to(self._device) for array in arrays)

    def clip(self, case: Case, steps: int) -> dict[str, Any]:
        """Prompts to waveforms."""
        inputs = self._inputs(case)
        start = time.perf_counter()
        latents = self._model.sample(*inputs, steps, case.guidance)
        found = latents.swapaxes(1, 2).numpy(force=True)
        sampled = time.perf_counter()
        self._model.decode(latents).numpy(force=True)
        decoded = time.perf_counter()
        return {"latents": found, "sample": sampled - start, "decode": decoded - sampled}

    def call(self, case: Case) -> dict[str, float]:
        """Seconds of one guided evaluation of the velocity, after one that is not counted."""
        _, token_mask, _, noise = self._inputs(case)
        context = torch.ones(*token_mask.shape, self._model.config.dit_context_dim)
        frame_mask = torch.ones(case.batch, noise.shape[-1], dtype=torch.bool)
        arguments = (noise, torch.tensor(500.0), context, token_mask, frame_mask, case.guidance)
        self._model.velocity(*arguments).numpy(force=True)
        start = time.perf_counter()
        self._model.velocity(*arguments).numpy(force=True)
        return {"call": time.perf_counter() - start}
