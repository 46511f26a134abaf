"""`audiogen encode-dataset`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from audiogen_jax.cli.app import app, job_progress, speed
from audiogen_jax.cli.options import (
    Checkpoint,
    Distributed,
    Dtype,
    Revision,
    ShardingOption,
    ShardText,
    ShareText,
    read_share,
)
from audiogen_jax.sharding.stop import ended_by_signals


@app.command(
    name="encode-dataset",
    epilog="Example: `audiogen encode-dataset speech.jsonl sounds.jsonl --output latents`. "
    "Audio in tar files: `audiogen encode-dataset shards/*.tar --output latents`. "
    "Start it again to go on after a stop. On four machines: `… --share 0/4` to `… --share 3/4`, "
    "or `srun … --distributed`",
)
def encode_dataset(
    manifests: Annotated[
        list[Path], typer.Argument(help="Audio manifests (.jsonl), or webdatasets (.tar).")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the latents.")],
    checkpoint: Checkpoint = "nano",
    revision: Revision = None,
    dtype: Dtype = "float32",
    batch_size: Annotated[int, typer.Option(help="Clips encoded together, over all devices.")] = 16,
    shard_size: Annotated[int, typer.Option(help="Clips per file.")] = 1024,
    max_seconds: Annotated[
        float | None, typer.Option(help="Keep this much of a clip, from its start.")
    ] = None,
    pad_seconds: Annotated[
        float | None, typer.Option(help="Follow shorter clips by silence up to here.")
    ] = None,
    prompts_with: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Store with every clip what the frozen parts of this model (Audio-Omni or its "
            "thinker) make of its prompt.",
        ),
    ] = None,
    posterior: Annotated[
        Literal["sample", "mean"] | None,
        typer.Option(
            help="Of a codec that makes a distribution of latents (Audio-Omni's): draw them, by "
            "the clip's id, or take their mean. [default: sample]"
        ),
    ] = None,
    sharding: ShardingOption = "dp",
    share: ShareText = None,
    shard: ShardText = None,
    distributed: Distributed = False,
) -> None:
    """Encode the clips of manifests to latents for training; may be killed and started again."""
    from audiogen_jax.infer.compile import use_compile_cache
    from audiogen_jax.jobs.encode_latents import encode_dataset

    use_compile_cache()
    this_share = read_share(share, shard, distributed)
    with (
        ended_by_signals(f"what is in {output} stays, start again to go on"),
        job_progress("encoding") as report,
    ):
        done = encode_dataset(
            manifests,
            output,
            checkpoint=checkpoint,
            revision=revision,
            dtype=dtype,
            batch_size=batch_size,
            shard_size=shard_size,
            max_seconds=max_seconds,
            pad_seconds=pad_seconds,
            prompts_with=prompts_with,
            posterior=posterior,
            sharding=sharding,
            share=this_share,
            report=report,
        )
    typer.echo(f"{output}: {done.done} of {done.total} clips, {done.made} made now, {speed(done)}")
    if done.missing_shards:
        typer.echo(
            f"{done.missing_shards} files are for other processes to make: dataset.json and "
            "errors.jsonl follow when all are there",
            err=True,
        )
    if done.errors:
        typer.echo(f"{done.errors} clips could not be encoded: see errors.jsonl", err=True)
        raise typer.Exit(1)
