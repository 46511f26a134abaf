"""Clips of a benchmark's prompts, made by a checkpoint of this repository."""

import dataclasses
import json
from pathlib import Path

from audiogen_jax.infer.options import SamplingOptions


@dataclasses.dataclass(frozen=True)
class Generation:
    """What makes clips.

    Attributes:
      checkpoint: see `Pipeline.load`.
      options: how it samples.
      duration: seconds of every clip; None lets the model decide.
    """

    checkpoint: str = "nano"
    options: SamplingOptions = dataclasses.field(default_factory=SamplingOptions)
    duration: float | None = None


def generate(
    generation: Generation, prompts: str, folder: str, seed: int, partial: bool
) -> dict[str, object]:
    """Makes a clip of every prompt, or what is left of them, by the job of `audiogen batch`.

    Args:
      generation: what makes them.
      prompts: the prompt file.
      folder: of the clips; a start after a stop goes on in it.
      seed: of their noise.
      partial: go on without the clips that fail.

    Returns:
      What the protocol says of it.

    Raises:
      OSError, ValueError: see `run_batch`; or a clip failed.
    """
    from audiogen_jax.jobs.generate_clips import BatchSettings, run_batch
    from audiogen_jax.jobs.job import JOB

    settings = BatchSettings(options=generation.options, seed=seed, duration=generation.duration)
    done = run_batch(prompts, folder, settings, checkpoint=generation.checkpoint)
    if done.errors and not partial:
        raise ValueError(
            f"{done.errors} clips failed, see {folder}/errors.jsonl: mend them, or --partial to "
            "score the others"
        )
    job = json.loads((Path(folder) / JOB).read_text(encoding="utf-8"))
    return {
        "checkpoint": Path(generation.checkpoint).name,
        "checkpoint_sha256": job["checkpoint_sha256"],
        "generation": generation,
    }
