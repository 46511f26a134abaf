"""`audiogen generate`."""

import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.cli.app import app, check_audio_output, check_output, progress, seconds
from audiogen_jax.cli.options import (
    Checkpoint,
    Dtype,
    Overwrite,
    ParamDtype,
    Revision,
    ShardingOption,
    read_interval,
    sampling_options,
)
from audiogen_jax.files.text import decode_text
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.timeline import Event, Timeline, parse_timeline

if TYPE_CHECKING:
    from audiogen_jax.infer.source import Source


_view = functools.partial(typer.Option, rich_help_panel="Caption views")
_when = functools.partial(typer.Option, rich_help_panel="When it sounds")
_source = functools.partial(typer.Option, rich_help_panel="Starting from real audio")
_beyond = functools.partial(typer.Option, rich_help_panel="Models that read more than captions")


@app.command(
    epilog="Example: `audiogen generate --caption 'a dog barks by a road' --sfx 'dog bark' "
    "--env 'street' --duration 4 --plot --output dog.wav`. Keep all of a recording but one second: "
    "`audiogen generate --caption 'rain' --source walk.wav --regenerate 2:3`. Continue it: "
    "`… --source walk.wav --duration 8`. Vary it: `… --source walk.wav --regenerate all "
    "--noise-level 0.6`. Say when: `… --at 'asr=0.4:1.1 seven' --at 'sfx=2:3'`, or "
    '`--timeline scene.json`. A plain sentence: `audiogen generate --refine \'A man says "seven" '
    "while a dog barks in the rain'`"
)
@sampling_options
def generate(
    options: SamplingOptions,
    prompt: Annotated[
        str | None,
        typer.Argument(help="A sentence, or a tagged string: '<|caption|> … <|asr|> … <|env|> …'."),
    ] = None,
    refine: Annotated[
        bool,
        typer.Option("--refine", help="Make the views of a plain sentence, see audiogen refine."),
    ] = False,
    caption: Annotated[str | None, _view(help="What is heard overall.")] = None,
    speech: Annotated[str | None, _view(help="How the speech sounds.")] = None,
    asr: Annotated[str | None, _view(help="The words spoken.")] = None,
    sfx: Annotated[str | None, _view(help="Sound events.")] = None,
    music: Annotated[str | None, _view(help="The music.")] = None,
    env: Annotated[str | None, _view(help="The acoustic environment.")] = None,
    duration: Annotated[
        float | None, typer.Option(help="Seconds; by default the model decides.")
    ] = None,
    timeline: Annotated[
        Path | None,
        _when(
            help="JSON: a list of {start, end, view, text}; view 'caption' is a scene of its own."
        ),
    ] = None,
    at: Annotated[
        list[str] | None, _when(help="VIEW=START:END [WORDS]: when what a view names sounds.")
    ] = None,
    transcript: Annotated[
        str | None, _beyond(help="Words to say; a caption then is not needed.")
    ] = None,
    voice: Annotated[Path | None, _beyond(help="Audio file of a voice that says them.")] = None,
    voice_text: Annotated[str | None, _beyond(help="What is said in --voice.")] = None,
    audio: Annotated[Path | None, _beyond(help="Audio file that the caption is about.")] = None,
    video: Annotated[
        Path | None, _beyond(help="Video whose sound, or music, is made; needs no caption.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same audio.")] = 0,
    source: Annotated[
        Path | None, _source(help="Audio file to keep parts of, to continue or to vary.")
    ] = None,
    regenerate: Annotated[
        list[str] | None,
        _source(help="START:END seconds of the source to make anew, repeatable; 'all' keeps none."),
    ] = None,
    noise_level: Annotated[
        float, _source(help="Where sampling starts, above 0 to 1: lower stays nearer the source.")
    ] = 1.0,
    checkpoint: Checkpoint = "nano",
    revision: Revision = None,
    dtype: Dtype = "float32",
    param_dtype: ParamDtype = "float32",
    sharding: ShardingOption = "dp",
    plot: Annotated[
        bool, typer.Option("--plot", help="Also write the mel spectrogram beside it as PNG.")
    ] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help=".wav or .flac")] = Path(
        "audiogen.wav"
    ),
    overwrite: Overwrite = False,
) -> None:
    """Generate an audio scene from a structured caption."""
    events = _timeline(timeline, at or ())
    scenes = any(event.view == "caption" for event in events)
    scene = _scene(
        scenes or transcript is not None or video is not None,
        refine,
        prompt,
        caption,
        speech,
        asr,
        sfx,
        music,
        env,
    )
    picture = output.with_suffix(".png")
    check_audio_output(output, overwrite)
    if plot:
        check_output(picture, overwrite)
    if source is None and (regenerate or noise_level != 1.0):
        raise ValueError("--regenerate and --noise-level need a --source")
    given, subtype = None, "PCM_16"
    if source is not None:
        given, subtype = _read_source(source, regenerate or (), noise_level, output.suffix)
    with progress("loading the model"):
        from audiogen_jax.files.audio import write_audio
        from audiogen_jax.infer.compile import use_compile_cache
        from audiogen_jax.infer.pipeline import Pipeline

        use_compile_cache()
        pipeline = Pipeline.load(
            checkpoint,
            revision=revision,
            dtype=dtype,
            param_dtype=param_dtype,
            sharding=sharding,
        )
    with progress(f"generating, {options.steps} steps"):
        (clip,) = pipeline.generate(
            scene,
            seed=seed,
            duration=duration,
            source=given,
            timeline=events,
            transcript=transcript,
            voice=voice,
            voice_text=voice_text,
            audio=audio,
            video=video,
            **dataclasses.asdict(options),
        )
    write_audio(output, clip.audio, clip.sample_rate, subtype)
    typer.echo(f"{output}: {seconds(clip.audio, clip.sample_rate)}, seed {seed}, {clip.prompt}")
    if plot:
        with progress("plotting"):
            from audiogen_jax.files.mel_picture import plot_mel

            plot_mel(picture, clip.audio, clip.sample_rate, title=clip.prompt)
        typer.echo(f"{picture}: mel spectrogram")


def _timeline(path: Path | None, lines: Sequence[str]) -> Timeline:
    """What sounds when, from a file and from the command line."""
    events: Timeline = ()
    if path is not None:
        try:
            events = parse_timeline(json.loads(decode_text(path.read_bytes(), path)))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: {error}") from error
    return (*events, *map(Event.parse, lines))


def _scene(
    scenes: bool, refined: bool, prompt: str | None, caption: str | None, *views: str | None
) -> StructuredCaption | None:
    """What was asked for, as a tagged string or as one option per view; None: by scenes alone."""
    if refined:
        if (prompt is None) == (caption is None) or any(view is not None for view in views):
            raise ValueError(
                "--refine makes the views of one sentence: give it, and no view, alone"
            )
        from audiogen_jax.refiner.refine import refine

        return refine(str(prompt if caption is None else caption))
    if prompt is None:
        if caption is None and scenes and not any(views):
            return None
        if caption is None:
            raise ValueError("no caption: give a sentence, a tagged string, or --caption TEXT")
        return StructuredCaption(caption, *views)
    if any(view is not None for view in (caption, *views)):
        raise ValueError("give either a prompt or one option per view, not both")
    return StructuredCaption.parse(prompt)


def _read_source(
    path: Path, regenerate: Sequence[str], noise_level: float, suffix: str
) -> tuple["Source", str]:
    """A recording, and the subtype of a file that keeps it as it is."""
    from audiogen_jax.files.audio import lossless_subtype, read_audio
    from audiogen_jax.infer.source import Source

    audio = read_audio(path, sample_rate=None, channels=None)
    for note in audio.notes:
        typer.echo(f"{path}: {note}", err=True)
    spans = [
        (0.0, float("inf")) if text == "all" else read_interval(text, "--regenerate")
        for text in regenerate
    ]
    source = Source(audio.samples, spans, noise_level, audio.sample_rate)
    return source, lossless_subtype(audio.subtype, suffix)
