"""`audiogen evaluate`: everything that is measured of a checkpoint, in one report."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.checkpoints.locate import find_checkpoint
from audiogen_jax.evaluate.judge.cache import cached_judge
from audiogen_jax.evaluate.judge.training import JudgeTraining
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.evaluate.recordings import Recording, read_recordings
from audiogen_jax.evaluate.report import print_report, write_report
from audiogen_jax.evaluate.suites.griffin_lim import FRAME_RATE, ITERATIONS, mel_bands
from audiogen_jax.evaluate.suites.nano_classes import evaluate_generation, requests
from audiogen_jax.evaluate.suites.nano_mixtures import (
    LEVEL_DB,
    SECONDS,
    evaluate_mixtures,
    mixtures,
)
from audiogen_jax.evaluate.suites.reconstruction import choose, evaluate_reconstruction, rebuilt_by
from audiogen_jax.files.atomic import check_writable
from audiogen_jax.files.fingerprint import checkpoint_sha256, sha256
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.pipeline import MAX_BATCH, Pipeline

PARTS = ("reconstruction", "generation", "mixtures")


def run(
    checkpoint: str | Path,
    manifest: str | Path,
    out: str | Path,
    *,
    cache: str | Path,
    parts: Sequence[str] = PARTS,
    seed: int = 0,
    steps: int = 25,
    guidance: float = 5.0,
    solver: str = "euler",
    schedule: str = "sway",
    per_group: int = 50,
    per_class: int = 10,
    pairs: int = 100,
    judge_training: JudgeTraining | None = None,
) -> dict[str, Any]:
    """Evaluates a checkpoint, writes the report with its protocol and prints its tables.

    Args:
      checkpoint: "nano" or a folder in Hugging Face layout; a tokenizer folder has no
        "generation".
      manifest: real recordings with a train and a val split.
      out: the report, `.json`.
      cache: folder that keeps the trained judge.
      parts: which of `PARTS`.
      seed: in [0, 2**32); draws clips, phrasings and noise.
      steps, guidance, solver, schedule: as in `Pipeline.generate`.
      per_group: held-out clips to rebuild of speech, of music and of sounds.
      per_class: clips to generate of each digit, word and sound.
      pairs: mixtures of a digit and a sound to generate.
      judge_training: how the judge is trained.

    Returns:
      The results.

    Raises:
      ValueError: bad arguments, no such checkpoint, a bad manifest, or a clip that comes out
        silent.
      OSError: a file cannot be read or written.
    """
    if not parts or not set(parts) <= set(PARTS):
        raise ValueError(f"parts={list(parts)}: expected some of {list(PARTS)}")
    if min(per_group, per_class, pairs) < 1:
        raise ValueError(f"{per_group=}, {per_class=} and {pairs=} must be at least 1")
    check_writable(out)
    judge_training = judge_training or JudgeTraining()
    tokenizer = Codec.load(checkpoint)
    recordings = read_recordings(manifest)
    protocol: dict[str, Any] = {
        "checkpoint": Path(checkpoint).name,
        "checkpoint_sha256": checkpoint_sha256(find_checkpoint(checkpoint)),
        "manifest": Path(manifest).name,
        "manifest_sha256": sha256(Path(manifest)),
        "seed": seed,
        **environment(),
    }
    results: dict[str, Any] = {}
    if "reconstruction" in parts:
        chosen = choose(recordings, per_group, seed)
        protocol["reconstruction"] = {
            "split": "val",
            "clips": [clip.audio_id for clip in chosen],
            "latent_values_per_second": tokenizer.config.embed_dim
            * tokenizer.sample_rate
            // tokenizer.samples_per_latent,
            "griffin_lim": {
                "mel_bands": mel_bands(tokenizer.config),
                "frames_per_second": FRAME_RATE,
                "iterations": ITERATIONS,
            },
        }
        results["reconstruction"] = evaluate_reconstruction(chosen, tokenizer)
    options = {"steps": steps, "guidance": guidance, "solver": solver, "schedule": schedule}
    if "generation" in parts:
        protocol["generation"] = {
            **options,
            "per_class": per_class,
            "duration": "decided by the model",
            "judge": dataclasses.asdict(judge_training),
            "judge_trained_on": "real clips of the train split",
            "judged_against": "real clips of the val split",
        }
        results["generation"] = _generation(
            Pipeline.load(checkpoint), tokenizer, recordings, cache, judge_training, per_class,
            seed, options, protocol["generation"],
        )  # fmt: skip
    if "mixtures" in parts:
        judge = cached_judge(recordings, cache, judge_training)
        wanted = mixtures(judge.tasks, recordings, pairs, seed)
        protocol["mixtures"] = {
            **options,
            "seconds": SECONDS,
            "sound_below_voice_db": LEVEL_DB,
            "prompts": {one.id: one.prompt.format() for one in wanted},
        }
        if wanted:
            prompts, ids = [one.prompt for one in wanted], [one.id for one in wanted]
            made = _generate(
                Pipeline.load(checkpoint), prompts, ids, seed, options, "mixtures", SECONDS
            )
            results["mixtures"] = evaluate_mixtures(wanted, made, judge)
    write_report(out, protocol, results)
    print_report(results)
    return results


def _generation(
    pipeline: Pipeline,
    tokenizer: Codec,
    recordings: Sequence[Recording],
    cache: str | Path,
    judge_training: JudgeTraining,
    per_class: int,
    seed: int,
    options: dict[str, Any],
    protocol: dict[str, Any],
) -> dict[str, Any]:
    """Per task; writes the classes and the prompts of every clip into `protocol`."""
    judge = cached_judge(recordings, cache, judge_training)
    protocol["tasks"] = {}
    results = {}
    for task in judge.tasks:
        wanted = requests(task, recordings, per_class, seed)
        protocol["tasks"][task.name] = {
            "classes": list(task.classes),
            "prompts": {one.id: one.prompt.format() for one in wanted},
        }
        generated = _generate(
            pipeline, [one.prompt for one in wanted], [one.id for one in wanted], seed, options,
            task.name,
        )  # fmt: skip
        results[task.name] = evaluate_generation(
            task, recordings, wanted, generated, judge, rebuilt_by(tokenizer), seed
        )
    return results


def _generate(
    pipeline: Pipeline,
    prompts: Sequence[StructuredCaption],
    ids: Sequence[str],
    seed: int,
    options: dict[str, Any],
    title: str,
    duration: float | None = None,
) -> list[Any]:
    clips = []
    starts = range(0, len(prompts), 4 * MAX_BATCH)
    console = Console(stderr=True)
    for start in track(starts, f"generating {title}", console=console, transient=True):
        part = slice(start, start + 4 * MAX_BATCH)
        made = pipeline.generate(
            prompts[part], seed=seed, ids=ids[part], duration=duration, **options
        )
        clips.extend(clip.audio for clip in made)
    return clips
