"""`audiogen convert`."""

from pathlib import Path
from typing import Annotated

import typer

from audiogen_jax.cli.app import app, progress
from audiogen_jax.cli.options import Revision


@app.command(
    epilog="Examples: `audiogen convert mispeech/dashengtokenizer tokenizer --dtype bfloat16`, "
    "`audiogen convert BASE merged --adapters runs/lora/export/adapters.safetensors`"
)
def convert(
    source: Annotated[str, typer.Argument(help="Folder in Hugging Face layout, or a hub name.")],
    output: Annotated[Path, typer.Argument(help="Folder to make.")],
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16")] = "float32",
    format: Annotated[
        str, typer.Option(help="hf (safetensors, the released layout) or orbax")
    ] = "hf",
    max_shard_size: Annotated[
        float | None, typer.Option(help="Split safetensors that are larger, in GB; default: 5.")
    ] = None,
    adapters: Annotated[
        Path | None, typer.Option(help="Low-rank adapters of an export, merged into the weights.")
    ] = None,
    revision: Revision = None,
) -> None:
    """Check every tensor of a checkpoint and write a copy in another precision or format."""
    from audiogen_jax.checkpoints.convert import convert_checkpoint

    shard_bytes = None if max_shard_size is None else round(max_shard_size * 1e9)
    with progress("converting"):
        written = convert_checkpoint(
            source,
            output,
            dtype,
            revision=revision,
            format=format,
            max_shard_bytes=shard_bytes,
            adapters=adapters,
        )
    for part, count in written.items():
        typer.echo(f"{output / part}: {count} parameters, {dtype}")
