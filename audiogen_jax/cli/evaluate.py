"""`audiogen evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from audiogen_jax.cli.app import app
from audiogen_jax.cli.options import Checkpoint, sampling_options
from audiogen_jax.infer.options import SamplingOptions


@app.command(
    epilog="Example: `audiogen evaluate clips/manifest.jsonl --part reconstruction "
    "--output nano.json`"
)
@sampling_options
def evaluate(
    options: SamplingOptions,
    manifest: Annotated[Path, typer.Argument(help="Real recordings (jsonl), train and val split.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The report with its protocol, .json")
    ] = Path("evaluation.json"),
    checkpoint: Checkpoint = "nano",
    part: Annotated[
        list[str] | None,
        typer.Option(
            help="reconstruction, generation, mixtures, wording, timing, scene, "
            "editing, enhancement; repeatable, default: all"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws clips, phrasings and noise.")] = 0,
    per_group: Annotated[int, typer.Option(help="Clips to rebuild of each group.")] = 50,
    per_class: Annotated[int, typer.Option(help="Clips to generate of each class.")] = 10,
    pairs: Annotated[int, typer.Option(help="Mixtures of each kind to make.")] = 100,
    timed: Annotated[int, typer.Option(help="Words and events to ask for at a time.")] = 60,
    seeds: Annotated[int, typer.Option(help="Seeds of the demo's scene.")] = 10,
    edits: Annotated[int, typer.Option(help="Edits of each kind to make.")] = 50,
    noisy: Annotated[int, typer.Option(help="Sentences to clean.")] = 42,
    cache: Annotated[Path, typer.Option(help="Folder that keeps the trained judge.")] = Path(
        "runs/judge"
    ),
) -> None:
    """Measure a checkpoint on held-out recordings and write one report."""
    from audiogen_jax.evaluate.registry import possible, select
    from audiogen_jax.evaluate.run import evaluate_checkpoint

    suites = select(
        part or possible(checkpoint),
        per_group=per_group,
        per_class=per_class,
        pairs=pairs,
        timed=timed,
        seeds=seeds,
        edits=edits,
        noisy=noisy,
    )
    evaluate_checkpoint(
        checkpoint, manifest, output, cache=cache, suites=suites, seed=seed, options=options
    )
