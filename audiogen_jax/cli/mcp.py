"""`audiogen mcp`."""

from pathlib import Path
from typing import Annotated

import typer

from audiogen_jax.cli.app import app
from audiogen_jax.cli.options import (
    Checkpoint,
    Dtype,
    ParamDtype,
    Revision,
    ShardingOption,
    sampling_options,
)
from audiogen_jax.infer.options import SamplingOptions


@app.command(
    epilog="Example: `audiogen mcp --folder sounds`, which agents start by their settings: "
    '`{"mcpServers": {"audiogen": {"command": "audiogen", "args": ["mcp"]}}}`'
)
@sampling_options
def mcp(
    options: SamplingOptions,
    folder: Annotated[Path, typer.Option(help="That sounds are written into.")] = Path("sounds"),
    checkpoint: Checkpoint = "nano",
    revision: Revision = None,
    understanding: Annotated[
        str | None, typer.Option(help="Checkpoint of a model that answers questions.")
    ] = None,
    dtype: Dtype = "float32",
    param_dtype: ParamDtype = "float32",
    sharding: ShardingOption = "dp",
) -> None:
    """Serve a model to an agent, as tools of the Model Context Protocol on stdin and stdout."""
    try:
        import mcp as package  # noqa: F401 (of the extra)
    except ImportError:
        raise ValueError(
            "audiogen mcp needs the package: pip install 'audiogen-jax[mcp]'"
        ) from None
    from audiogen_jax.infer.compile import use_compile_cache
    from audiogen_jax.infer.load import load_understanding
    from audiogen_jax.infer.pipeline import Pipeline
    from audiogen_jax.serve.tools import create_tools

    use_compile_cache()
    pipeline = Pipeline.load(
        checkpoint, revision=revision, dtype=dtype, param_dtype=param_dtype, sharding=sharding
    )
    understand = None
    if understanding is not None:
        understand = load_understanding(understanding).understand
    create_tools(pipeline, folder, understand, options).run()
