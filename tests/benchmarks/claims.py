"""The papers' claims in miniature: small generators from nothing, one thing changed in each.

Every arm trains three seeds on single digits and sounds, on the latents of the embedded
tokenizer, with the losses, draws and guided sampler of the package; those of `shift`, one seed. A
core of a CPU takes 10 to 30 minutes for an arm. From the root of the repository, with `datasets/`:

    python -m tests.benchmarks.claims train base --output out/base.npz
    python -m tests.benchmarks.claims train acoustic --output out/acoustic.npz \\
        --tokenizer runs/mel/export
    python -m tests.benchmarks.claims judge out --tokenizer runs/mel/export
    python -m tests.benchmarks.claims train base --size small --clips 4 --steps 4 --batch 4 \\
        --output out/base.npz    # a rehearsal

`train` asks for held-out captions, 25 guided Euler steps each, and keeps the latents; `judge`
decodes and listens to those of a folder: tests/benchmarks/results/claims.json, which names the
commit of each.
"""

import argparse
import functools
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from audiogen_jax.checkpoints.registry import load_generator
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.train.objectives.flow_matching import SAMPLE_GUIDANCE, SAMPLE_STEPS
from tests.benchmarks.claims_data import (
    SETS,
    Clips,
    Prompt,
    Texts,
    Tokenizer,
    draw_wordings,
    encode_texts,
    held_out_prompts,
    read_records,
    read_windows,
)
from tests.benchmarks.claims_train import CHUNK, make_objective, sample_prompts, train


class Arm(NamedTuple):
    """A generator to train.

    Attributes:
      tests: what it is for.
      tags: views are tagged, not joined by spaces.
      needs_tokenizer: whose latents are those of another tokenizer than nano's.
      wide: on `wide_latents`.
      width: of the DiT, in heads of 64.
      depth: of the DiT.
      view_dropout: probability of each view but the caption in training.
      shift: of uniform noise levels, in training and sampling; None: those of nano.
      sets: of `SETS`, what is asked for.
      seeds: trained one after another.
      steps: of each training.
      batch: clips in a step.
    """

    tests: str
    tags: bool = True
    needs_tokenizer: bool = False
    wide: bool = False
    width: int = 192
    depth: int = 4
    view_dropout: float = 0.2
    shift: float | None = None
    sets: Sequence[str] = SETS[:1]
    seeds: int = 3
    steps: int = 1500
    batch: int = 16


_WIDE = functools.partial(
    Arm, wide=True, width=1280, depth=2, sets=SETS[1:2], seeds=1, steps=400, batch=8
)
ARMS = {
    "base": Arm("structured captions, unified latents, views dropped at 0.2", sets=SETS),
    "plain": Arm("tags: the same texts without any", tags=False),
    "acoustic": Arm("semantics in latents: mel patches alone", needs_tokenizer=True),
    "width_64": Arm("width of the DiT: half that of the latents", width=64),
    "width_128": Arm("width of the DiT: that of the latents", width=128),
    "width_256": Arm("width of the DiT: twice that of the latents", width=256),
    "views_kept": Arm("dropout of views: none", view_dropout=0.0, sets=SETS),
    "views_half": Arm("dropout of views: half", view_dropout=0.5, sets=SETS),
    "wide_1": _WIDE("noise levels of 1280 channels: not shifted", shift=1.0),
    "wide_2.2": _WIDE("noise levels of 1280 channels: half the rule", shift=2.2),
    "wide_4.4": _WIDE("noise levels of 1280 channels: about the rule (4.0)", shift=4.4),
    "wide_8.8": _WIDE("noise levels of 1280 channels: twice the rule", shift=8.8),
}


class Size(NamedTuple):
    """How much is done.

    Attributes:
      per_class: group -> held-out clips of each class to ask for.
      wordings: drawn for each training clip.
      sample_steps: of Euler's method.
      seeds: in place of those of the arm.
      width: of the DiT in place of that of the arm.
    """

    per_class: dict[str, int]
    wordings: int
    sample_steps: int
    seeds: int | None = None
    width: int | None = None


SIZES = {
    "full": Size({"digits": 10, "sounds": 8}, 16, SAMPLE_STEPS),
    "small": Size({"digits": 1, "sounds": 1}, 2, 2, seeds=2, width=64),
}


def run_arm(
    name: str,
    folder: Path,
    tokenizer: str,
    size: Size,
    *,
    steps: int | None = None,
    batch: int | None = None,
    clips: int | None = None,
) -> dict[str, np.ndarray]:
    """What an arm makes of the held-out captions: arrays of its file."""
    arm, began = ARMS[name], time.perf_counter()
    arm = arm._replace(
        width=size.width or arm.width, seeds=size.seeds or arm.seeds, steps=steps or arm.steps,
        batch=batch or arm.batch,
    )  # fmt: skip
    nano = load_generator("nano", dtype="float32", param_dtype="float32", for_sampling=False)
    encoder = Tokenizer.load(tokenizer, arm.wide)
    records = [record for _, record in read_records(folder, "train", clips)]
    audio, samples, owners = read_windows(records, encoder.codec.sample_rate)
    values, lengths = encoder.encode(audio, samples), encoder.codec.latent_length(samples)
    mask = np.arange(encoder.frames) < lengths[:, None]
    mean, std = np.zeros(values.shape[-1]), np.ones(values.shape[-1])
    moments = [float(each) for each in (values[mask].mean(), values[mask].std())]
    if arm.wide:  # latents are of unit variance already
        mean, std = values[mask].mean(axis=0), values[mask].std(axis=0)
    values = np.where(mask[..., None], (values - mean) / std, 0).astype(np.float32)
    wordings, chosen = draw_wordings(
        records, size.wordings, arm.view_dropout, arm.tags, whole=SETS[0] in arm.sets
    )
    texts = encode_texts(wordings, nano)
    table = Clips(jnp.asarray(values), jnp.asarray(lengths), jnp.asarray(chosen[owners]))
    start_seconds = time.perf_counter() - began
    found = f"{table.latents.shape} latents, {texts.hidden.shape} texts"
    print(f"{name}: {found}, after {start_seconds:.1f} s", flush=True)

    shape = dict(latent_dim=values.shape[-1], width=arm.width, depth=arm.depth, shift=arm.shift)
    objective = make_objective(nano.generator, **shape, steps=arm.steps, batch=arm.batch)  # pyright: ignore
    params, facts = train(objective, table, texts, seeds=arm.seeds, batch=arm.batch)

    began = time.perf_counter()
    prompts = held_out_prompts(folder, size.per_class, encoder.codec)
    frames = np.array([prompt.frames for prompt in prompts])
    asked = [prompt.text(which, arm.tags) for which in arm.sets for prompt in prompts]
    read, arrays = encode_texts(asked, nano), {}
    for number, which in enumerate(arm.sets):
        rows = slice(number * len(prompts), (number + 1) * len(prompts))
        found = sample_prompts(
            objective.generator, params, Texts(read.hidden[rows], read.mask[rows]), frames,  # pyright: ignore
            frames=encoder.frames, steps=size.sample_steps, shift=arm.shift,
        )  # fmt: skip
        for seed, latents in enumerate(encoder.unified(found * std + mean)):
            valid = np.concatenate([clip[:n] for clip, n in zip(latents, frames, strict=True)])
            arrays[f"{which}/{seed}"] = valid.astype(np.float16)
    facts |= {
        "arm": name, **size._asdict(), **arm._asdict(),
        "clips": len(records), "windows": len(values), "texts": len(wordings),
        "tokens": texts.hidden.shape[1], "latent_dim": values.shape[-1],
        "latent_mean": moments[0], "latent_std": moments[1], "guidance": SAMPLE_GUIDANCE,
        "ema_decay": objective.config.ema_decay, "start_seconds": start_seconds,
        "sample_seconds": time.perf_counter() - began, **environment(),
    }  # fmt: skip
    return arrays | file_keys(prompts, facts)


def file_keys(prompts: Sequence[Prompt], facts: Mapping[str, object]) -> dict[str, np.ndarray]:
    """What stands in an arm's file beside latents."""
    return {
        "ids": np.array([prompt.id for prompt in prompts]),
        "groups": np.array([prompt.group for prompt in prompts]),
        "labels": np.array([prompt.label for prompt in prompts]),
        "frames": np.array([prompt.frames for prompt in prompts]),
        "facts": np.array(json.dumps(facts)),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    training, judging = commands.add_parser("train"), commands.add_parser("judge")
    training.add_argument("arm", choices=ARMS)
    training.add_argument("--steps", type=int, help="in place of those of the arm")
    training.add_argument("--output", type=Path, required=True)
    training.add_argument("--clips", type=int, help="of digits and of sounds, at most")
    training.add_argument("--batch", type=int, help="in place of that of the arm")
    training.add_argument("--size", choices=SIZES, default="full")
    training.add_argument("--datasets", type=Path, default=Path("datasets/manifests"))
    training.add_argument("--tokenizer", help="of the arm acoustic")
    judging.add_argument("folder", type=Path, help="of the files of the arms")
    judging.add_argument("--tokenizer", help="of the arm acoustic")
    judging.add_argument("--commit", help="that `train` ran from, where there was no checkout")
    args = parser.parse_args(arguments)
    if args.command == "judge":
        from tests.benchmarks.claims_judge import judge_folder

        judge_folder(args.folder, args.tokenizer, args.commit)
        return
    if args.steps and args.steps % min(CHUNK, args.steps):
        parser.error(f"--steps {args.steps}: expected a multiple of {CHUNK}")
    if ARMS[args.arm].needs_tokenizer != (args.tokenizer is not None):
        parser.error("--tokenizer goes with the arm acoustic, which needs it")
    arrays = run_arm(
        args.arm, args.datasets, args.tokenizer or "nano", SIZES[args.size], steps=args.steps,
        batch=args.batch, clips=args.clips,
    )  # fmt: skip
    args.output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.output, allow_pickle=False, **arrays)
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
