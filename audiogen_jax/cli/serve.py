"""`audiogen serve`."""

from pathlib import Path
from typing import Annotated

import typer

from audiogen_jax.cli.app import app, progress, stderr
from audiogen_jax.cli.options import (
    Checkpoint,
    Dtype,
    ParamDtype,
    Revision,
    ShardingOption,
    sampling_options,
)
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.serve.settings import ServeSettings


@app.command(
    epilog="Example: `audiogen serve`, then `curl localhost:8000/v1/audio/scenes "
    "-H 'Content-Type: application/json' -d '{\"prompt\": \"a dog barks in the rain\"}' "
    "-o dog.wav`. For other machines: `AUDIOGEN_API_KEY=… audiogen serve --host 0.0.0.0`"
)
@sampling_options
def serve(
    options: SamplingOptions,
    checkpoint: Checkpoint = "nano",
    revision: Revision = None,
    understanding: Annotated[
        str | None,
        typer.Option(help="Checkpoint of a model that answers questions; default: the generator."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = ServeSettings.host,
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = ServeSettings.port,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="AUDIOGEN_API_KEY", help="That clients send; others see it on a command line."
        ),
    ] = None,
    alias: Annotated[
        list[str] | None, typer.Option(help="Another name of the model, such as tts-1; repeatable.")
    ] = None,
    warm_up: Annotated[
        list[float] | None,
        typer.Option(help="Seconds of clips to compile for before the start; repeatable."),
    ] = None,
    max_batch: Annotated[int, typer.Option(help="Clips sampled together.")] = (
        ServeSettings.max_batch
    ),
    max_waiting: Annotated[int, typer.Option(help="Requests accepted at a time; then 429.")] = (
        ServeSettings.max_waiting
    ),
    deadline: Annotated[float, typer.Option(help="Seconds for a request; then 504.")] = (
        ServeSettings.deadline
    ),
    max_seconds: Annotated[float, typer.Option(help="Longest clip.")] = ServeSettings.max_seconds,
    max_text: Annotated[int, typer.Option(help="Characters of a text.")] = ServeSettings.max_text,
    max_body_mb: Annotated[float, typer.Option(help="Size of a request.")] = (
        ServeSettings.max_body_mb
    ),
    body_timeout: Annotated[float, typer.Option(help="Seconds for a body to arrive.")] = (
        ServeSettings.body_timeout
    ),
    drain: Annotated[float, typer.Option(help="Seconds for accepted requests at SIGTERM.")] = (
        ServeSettings.drain
    ),
    page: Annotated[bool, typer.Option(help="Show the page for people at /.")] = True,
    dtype: Dtype = "float32",
    param_dtype: ParamDtype = "float32",
    sharding: ShardingOption = "dp",
) -> None:
    """Serve a model over HTTP, to OpenAI's clients and others."""
    settings = ServeSettings(
        host=host,
        port=port,
        api_key=api_key,
        aliases=tuple(alias or ()),
        max_batch=max_batch,
        max_waiting=max_waiting,
        deadline=deadline,
        max_seconds=max_seconds,
        max_text=max_text,
        max_body_mb=max_body_mb,
        body_timeout=body_timeout,
        drain=drain,
    )
    try:
        import fastapi  # noqa: F401 (the first of the extra)
    except ImportError:
        raise ValueError("serving needs FastAPI: pip install 'audiogen-jax[serve]'") from None
    from audiogen_jax.serve.run import listen, run

    listening = listen(settings)
    if settings.open_to_all:
        stderr.print(f"audiogen: warning: anyone who reaches {host} can use it: give an API key")
    with progress("loading the model"):
        from audiogen_jax.infer.compile import use_compile_cache
        from audiogen_jax.infer.load import load_understanding
        from audiogen_jax.infer.pipeline import Pipeline
        from audiogen_jax.serve.app import create_app
        from audiogen_jax.serve.clips import ClipMaker
        from audiogen_jax.serve.page import Page

        use_compile_cache()
        pipeline = Pipeline.load(
            checkpoint, revision=revision, dtype=dtype, param_dtype=param_dtype, sharding=sharding
        )
        understand = None
        if understanding is not None:
            understand = load_understanding(understanding).understand
        name = Path(checkpoint).name if Path(checkpoint).is_dir() else checkpoint
        shown = Page() if page else None
        served = create_app(pipeline, name, settings, options, understand, shown)
    with progress("warming up"):
        window = pipeline.generator.window / pipeline.generator.latent_rate
        lengths = warm_up or [min(max_seconds, window)]
        ClipMaker(pipeline, max_seconds).warm_up(options, lengths, max_batch)
    run(served, listening)
