"""Clips of the validation prompts in TensorBoard, to hear how a training goes."""

import jax
from jax.sharding import Mesh

from audiogen_jax.files.mel_picture import mel_image
from audiogen_jax.sharding.mesh import process_rows, shard_batch
from audiogen_jax.sharding.transfer import to_host
from audiogen_jax.train.batches import HostBatch
from audiogen_jax.train.objective import SamplingObjective
from audiogen_jax.train.state import TrainState
from audiogen_jax.train.writer import MetricsWriter
from audiogen_jax.types import Params

CLIPS = 4


class Samples:
    """Makes clips of the prompts of one batch again and again."""

    def __init__(
        self,
        objective: SamplingObjective,
        mesh: Mesh,
        batch: HostBatch,
        writer: MetricsWriter | None,
    ):
        """Takes what stays the same.

        Args:
          objective: of the training.
          mesh: of its devices.
          batch: whose prompts.
          writer: of the process that shows the clips, None on the others.
        """
        self._sample, self._decode = jax.jit(objective.sample), objective.decode
        self._mesh, self._batch, self._writer = mesh, batch, writer

    def write(self, step: int, state: TrainState, frozen: Params) -> None:
        """Generates the clips and shows some of them; all processes must call it."""
        with jax.set_mesh(self._mesh):
            batch = shard_batch(self._mesh, self._batch.arrays)
            latents = to_host(self._sample(state, batch, frozen))
        if self._writer is None:
            return
        rows = process_rows(self._mesh, len(latents))[:CLIPS]
        audio, sample_rate = self._decode(latents[rows])
        for clip_id, clip in zip(self._batch.clip_ids, audio, strict=False):
            picture = mel_image(clip, sample_rate)
            self._writer.write_clip(step, f"samples/{clip_id}", clip, picture, sample_rate)
