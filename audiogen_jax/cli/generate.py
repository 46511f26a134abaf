"""`audiogen generate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from audiogen_jax.cli.app import (
    Checkpoint,
    Dtype,
    Revision,
    app,
    check_audio_output,
    check_output,
    progress,
    seconds,
)


def _view(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel="Caption views")


def _sampling(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel="Sampling")


def _source(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel="Starting from real audio")


@app.command(
    epilog="Example: `audiogen generate --caption 'a dog barks by a road' --sfx 'dog bark' "
    "--env 'street' --duration 4 --plot --output dog.wav`. Keep all of a recording but one second: "
    "`audiogen generate --caption 'rain' --source walk.wav --regenerate 2:3`. Continue it: "
    "`… --source walk.wav --duration 8`. Vary it: `… --source walk.wav --regenerate all "
    "--noise-level 0.6`"
)
def generate(
    prompt: Annotated[
        str | None, typer.Argument(help="Tagged string: '<|caption|> … <|asr|> … <|env|> …'.")
    ] = None,
    caption: Annotated[str | None, _view("What is heard overall.")] = None,
    speech: Annotated[str | None, _view("How the speech sounds.")] = None,
    asr: Annotated[str | None, _view("The words spoken.")] = None,
    sfx: Annotated[str | None, _view("Sound events.")] = None,
    music: Annotated[str | None, _view("The music.")] = None,
    env: Annotated[str | None, _view("The acoustic environment.")] = None,
    duration: Annotated[
        float | None, typer.Option(help="Seconds; by default the model decides.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same audio.")] = 0,
    steps: Annotated[int, typer.Option(help="Solver steps.")] = 25,
    guidance: Annotated[
        float, typer.Option(help="Classifier-free guidance scale; 1 turns it off.")
    ] = 5.0,
    view_guidance: Annotated[
        list[str] | None,
        _sampling("VIEW=SCALE, a scale of its own for speech, sfx, music or env; repeatable."),
    ] = None,
    guidance_interval: Annotated[
        str, _sampling("LOW:HIGH noise levels in which guidance acts.")
    ] = "0:1",
    negative: Annotated[
        str | None, _sampling("Tagged string to be guided away from, in the place of no text.")
    ] = None,
    solver: Annotated[
        str, _sampling("euler, ab2, dpmpp2m; midpoint and heun take two evaluations per step.")
    ] = "euler",
    schedule: Annotated[str, _sampling("sway, linear or logistic")] = "sway",
    compat: Annotated[
        str | None, _sampling("'release' repeats the quirks of the PyTorch release.")
    ] = None,
    source: Annotated[
        Path | None, _source("Audio file to keep parts of, to continue or to vary.")
    ] = None,
    regenerate: Annotated[
        list[str] | None,
        _source("START:END seconds of the source to make anew, repeatable; 'all' keeps none."),
    ] = None,
    noise_level: Annotated[
        float, _source("Where sampling starts, above 0 to 1: lower stays nearer the source.")
    ] = 1.0,
    checkpoint: Checkpoint = "nano",
    revision: Revision = None,
    dtype: Dtype = "fp32",
    param_dtype: Annotated[
        str, typer.Option(help="Of the weights in memory: fp32 or bf16.")
    ] = "fp32",
    plot: Annotated[
        bool, typer.Option("--plot", help="Also write the mel spectrogram beside it as PNG.")
    ] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help=".wav or .flac")] = Path(
        "audiogen.wav"
    ),
) -> None:
    """Generate an audio scene from a structured caption."""
    from audiogen_jax.caption import StructuredCaption

    views = (caption, speech, asr, sfx, music, env)
    if prompt is not None and any(view is not None for view in views):
        raise ValueError("give either a tagged string or one option per view, not both")
    if prompt is not None:
        scene = StructuredCaption.parse(prompt)
    elif caption is None:
        raise ValueError("no caption: give a tagged string '<|caption|> …', or --caption TEXT")
    else:
        scene = StructuredCaption(caption, speech, asr, sfx, music, env)
    picture = output.with_suffix(".png")
    check_audio_output(output)
    if plot:
        check_output(picture)

    if source is None and (regenerate or noise_level != 1.0):
        raise ValueError("--regenerate and --noise-level need a --source")
    options = dict(
        steps=steps,
        guidance=guidance,
        negative=negative,
        solver=solver,
        schedule=schedule,
        view_guidance=dict(_pair(text, "=", "--view-guidance") for text in view_guidance or ()),
        guidance_interval=_numbers(guidance_interval, "--guidance-interval"),
        compat=compat,
    )
    with progress("loading the model"):
        from audiogen_jax.files.audio import write_audio
        from audiogen_jax.infer.compile import use_compile_cache
        from audiogen_jax.infer.pipeline import Pipeline

        use_compile_cache()
        pipeline = Pipeline.load(
            checkpoint, revision=revision, dtype=dtype, param_dtype=param_dtype
        )
        if source is not None:
            options["source"] = _read_source(source, regenerate or (), noise_level, pipeline)
    with progress(f"generating, {steps} steps"):
        (clip,) = pipeline.generate(scene, seed=seed, duration=duration, **options)
    write_audio(output, clip.audio, clip.sample_rate)
    typer.echo(f"{output}: {seconds(clip.audio, clip.sample_rate)}, seed {seed}, {clip.prompt}")
    if plot:
        with progress("plotting"):
            from audiogen_jax.files.mel_picture import plot_mel

            plot_mel(picture, clip.audio, clip.sample_rate, title=clip.prompt)
        typer.echo(f"{picture}: mel spectrogram")


def _read_source(path: Path, regenerate: Sequence[str], noise_level: float, pipeline: Any) -> Any:
    from audiogen_jax.files.audio import read_audio
    from audiogen_jax.infer.source import Source

    audio = read_audio(path, pipeline.config.sample_rate)
    for note in audio.notes:
        typer.echo(f"{path}: {note}", err=True)
    spans = [
        (0.0, float("inf")) if text == "all" else _numbers(text, "--regenerate")
        for text in regenerate
    ]
    return Source(audio.samples, spans, noise_level)


def _pair(text: str, separator: str, option: str) -> tuple[str, float]:
    name, found, number = text.partition(separator)
    try:
        return name, float(number if found else "")
    except ValueError:
        raise ValueError(f"{option} {text!r}: expected NAME{separator}NUMBER") from None


def _numbers(text: str, option: str) -> tuple[float, float]:
    """START:END."""
    try:
        start, end = (float(part) for part in text.split(":"))
    except ValueError:
        raise ValueError(f"{option} {text!r}: expected two numbers, START:END") from None
    return start, end
