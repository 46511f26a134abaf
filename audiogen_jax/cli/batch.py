"""`audiogen batch`."""

from pathlib import Path
from typing import Annotated

import typer

from audiogen_jax.cli.app import app, job_progress, speed
from audiogen_jax.cli.options import (
    Checkpoint,
    Distributed,
    Dtype,
    ParamDtype,
    Revision,
    ShardingOption,
    ShardText,
    ShareText,
    delivery_options,
    marking_options,
    read_share,
    sampling_options,
)
from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.marking import Marking
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.sharding.stop import ended_by_signals


@app.command(
    epilog="Example: `audiogen batch prompts.jsonl --output clips --steps 12 --solver unipc "
    "--schedule logistic`. "
    "Start it again to go on after a stop. On four machines: `… --share 0/4` to `… --share 3/4`, "
    "or `srun … --distributed`. All at one level: `… --loudness -23`"
)
@sampling_options
@delivery_options
@marking_options
def batch(
    options: SamplingOptions,
    delivery: Delivery,
    marking: Marking,
    prompts: Annotated[
        Path,
        typer.Argument(help=".jsonl, .csv or .parquet; MECAT and AudioCaps files as they are."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the clips.")],
    seed: Annotated[int, typer.Option(help="With its id it fixes a clip's noise.")] = 0,
    duration: Annotated[
        float | None, typer.Option(help="Seconds of every clip; by default the model decides.")
    ] = None,
    refine: Annotated[
        bool,
        typer.Option("--refine", help="Make the views of plain sentences, see audiogen refine."),
    ] = False,
    checkpoint: Checkpoint = "nano",
    revision: Revision = None,
    dtype: Dtype = "float32",
    param_dtype: ParamDtype = "float32",
    sharding: ShardingOption = "dp",
    batch_size: Annotated[int, typer.Option(help="Clips sampled together, over all devices.")] = 8,
    share: ShareText = None,
    shard: ShardText = None,
    distributed: Distributed = False,
    format: Annotated[str, typer.Option(help="wav or flac, 16-bit")] = "wav",
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Try clips again that failed before.")
    ] = False,
) -> None:
    """Generate a clip for every row of a prompt file; may be killed and started again."""
    from audiogen_jax.infer.compile import use_compile_cache
    from audiogen_jax.jobs.generate_clips import BatchSettings, run_batch

    use_compile_cache()
    this_share = read_share(share, shard, distributed)
    settings = BatchSettings(
        options=options,
        seed=seed,
        duration=duration,
        dtype=dtype,
        param_dtype=param_dtype,
        batch_size=batch_size,
        suffix=f".{format}",
        sharding=sharding,
        refine=refine,
        delivery=delivery,
        marking=marking,
    )
    with (
        ended_by_signals(f"what is in {output} stays, start again to go on"),
        job_progress("generating") as report,
    ):
        done = run_batch(
            prompts,
            output,
            settings,
            checkpoint=checkpoint,
            revision=revision,
            share=this_share,
            retry_errors=retry_errors,
            report=report,
        )
    typer.echo(f"{output}: {done.done} of {done.total} clips, {done.made} made now, {speed(done)}")
    if done.errors:
        typer.echo(f"{done.errors} rows or clips failed: see {output}/errors*.jsonl", err=True)
        raise typer.Exit(1)
