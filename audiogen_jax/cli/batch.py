"""`audiogen batch`."""

from pathlib import Path
from typing import Annotated

import typer

from audiogen_jax.cli.app import Checkpoint, Dtype, Revision, app, job_progress, speed


@app.command(
    epilog="Example: `audiogen batch prompts.jsonl --output clips --steps 12 --solver unipc "
    "--schedule logistic`. "
    "Start it again to go on after a stop. On four machines: `… --shard 0/4` to `… --shard 3/4`"
)
def batch(
    prompts: Annotated[
        Path,
        typer.Argument(help=".jsonl, .csv or .parquet; MECAT and AudioCaps files as they are."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the clips.")],
    seed: Annotated[int, typer.Option(help="With its id it fixes a clip's noise.")] = 0,
    steps: Annotated[int, typer.Option(help="Solver steps.")] = 25,
    guidance: Annotated[
        float, typer.Option(help="Classifier-free guidance scale; 1 turns it off.")
    ] = 5.0,
    solver: Annotated[
        str, typer.Option(help="euler, ab2, dpmpp2m, unipc, midpoint or heun")
    ] = "euler",
    schedule: Annotated[str, typer.Option(help="sway, linear or logistic")] = "sway",
    negative: Annotated[
        str | None, typer.Option(help="Tagged string to be guided away from.")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="Seconds of every clip; by default the model decides.")
    ] = None,
    checkpoint: Checkpoint = "nano",
    revision: Revision = None,
    dtype: Dtype = "fp32",
    param_dtype: Annotated[
        str, typer.Option(help="Of the weights in memory: fp32 or bf16.")
    ] = "fp32",
    batch_size: Annotated[int, typer.Option(help="Clips sampled together, over all devices.")] = 8,
    shard: Annotated[
        str | None, typer.Option(help="I/N, I from 0: make only every N-th row from row I.")
    ] = None,
    format: Annotated[str, typer.Option(help="wav or flac, 16-bit")] = "wav",
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Try clips again that failed before.")
    ] = False,
) -> None:
    """Generate a clip for every row of a prompt file; may be killed and started again."""
    from audiogen_jax.infer.compile import use_compile_cache
    from audiogen_jax.infer.options import SamplingOptions
    from audiogen_jax.jobs.generate_clips import run_batch
    from audiogen_jax.jobs.job import Shard

    use_compile_cache()
    with job_progress("generating") as report:
        done = run_batch(
            prompts,
            output,
            checkpoint=checkpoint,
            revision=revision,
            dtype=dtype,
            param_dtype=param_dtype,
            options=SamplingOptions(
                steps=steps,
                guidance=guidance,
                solver=solver,
                schedule=schedule,
                negative=negative,
            ),
            seed=seed,
            duration=duration,
            batch_size=batch_size,
            shard=None if shard is None else Shard.parse(shard),
            suffix=f".{format}",
            retry_errors=retry_errors,
            report=report,
        )
    typer.echo(f"{output}: {done.done} of {done.total} clips, {done.made} made now, {speed(done)}")
    if done.errors:
        typer.echo(f"{done.errors} rows or clips failed: see {output}/errors*.jsonl", err=True)
        raise typer.Exit(1)
