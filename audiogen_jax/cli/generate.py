"""`audiogen generate`."""

import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.cli.app import (
    app,
    check_audio_output,
    check_output,
    progress,
    seconds,
    tell_changes,
)
from audiogen_jax.cli.options import (
    Checkpoint,
    Dtype,
    Overwrite,
    ParamDtype,
    Revision,
    ShardingOption,
    delivery_options,
    marking_options,
    read_interval,
    sampling_options,
)
from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.marking import Marking
from audiogen_jax.files.text import decode_text
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.timeline import Event, Timeline, parse_timeline

if TYPE_CHECKING:
    from audiogen_jax.files.export import Exported
    from audiogen_jax.infer.source import Source

_MOST_TAKES = 64


_view = functools.partial(typer.Option, rich_help_panel="Caption views")
_when = functools.partial(typer.Option, rich_help_panel="When it sounds")
_source = functools.partial(typer.Option, rich_help_panel="Starting from real audio")
_takes = functools.partial(typer.Option, rich_help_panel="Takes")
_beyond = functools.partial(typer.Option, rich_help_panel="Models that read more than captions")


@app.command(
    epilog="Example: `audiogen generate --caption 'a dog barks by a road' --sfx 'dog bark' "
    "--env 'street' --duration 4 --plot --output dog.wav`. Keep all of a recording but one second: "
    "`audiogen generate --caption 'rain' --source walk.wav --regenerate 2:3`. Continue it: "
    "`… --source walk.wav --duration 8`. Vary it: `… --source walk.wav --regenerate all "
    "--noise-level 0.6`. Say when: `… --at 'asr=0.4:1.1 seven' --at 'sfx=2:3'`, or "
    '`--timeline scene.json`. A plain sentence: `audiogen generate --refine \'A man says "seven" '
    "while a dog barks in the rain'`. For a podcast: `… --loudness -16 --sample-rate 48000 "
    "--channels 2`. The best of four takes: `… --takes 4 --keep 1 --by unclipped`. A loop: "
    "`… --duration 8 --loop 1`"
)
@sampling_options
@delivery_options
@marking_options
def generate(
    options: SamplingOptions,
    delivery: Delivery,
    marking: Marking,
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
    takes: Annotated[int, _takes(help="Clips to make of the prompt.")] = 1,
    keep: Annotated[
        int | None, _takes(help="How many of them to write, the best first; all by default.")
    ] = None,
    by: Annotated[
        str | None, _takes(help="Who chooses: speech-quality (DNSMOS), speech, or unclipped.")
    ] = None,
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
    output: Annotated[
        Path, typer.Option("--output", "-o", help=".wav, .flac, .mp3, .ogg or .opus")
    ] = Path("audiogen.wav"),
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
    outputs = _outputs(output, takes, keep, by)
    for path in outputs:
        check_audio_output(path, overwrite, marking, delivery)
        if plot:
            check_output(path.with_suffix(".png"), overwrite)
    if source is None and (regenerate or noise_level != 1.0):
        raise ValueError("--regenerate and --noise-level need a --source")
    given, subtype = None, "PCM_16"
    if source is not None:
        given, subtype = _read_source(source, regenerate or (), noise_level, output.suffix)
    with progress("loading the model"):
        from audiogen_jax.files.export import check_clip
        from audiogen_jax.infer.clip_files import made_with, write_clip
        from audiogen_jax.infer.compile import use_compile_cache
        from audiogen_jax.infer.pipeline import Pipeline
        from audiogen_jax.infer.storyboard import asked_seconds

        use_compile_cache()
        pipeline = Pipeline.load(
            checkpoint,
            revision=revision,
            dtype=dtype,
            param_dtype=param_dtype,
            sharding=sharding,
        )
    if (length := duration or asked_seconds(events)) is not None:
        rate, channels = pipeline.codec.sample_rate, pipeline.codec.channels
        if given is not None:  # whose rate and channels the clip has
            rate, channels = given.sample_rate or rate, given.audio[0].size
        check_clip(output.suffix.lower(), delivery, length, rate, channels)
    options = pipeline.settled(options, from_source=source is not None)
    with progress(f"generating, {options.steps} steps"):
        clips = pipeline.generate(
            [scene] * takes,
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
    if by is not None and len(outputs) < takes:
        with progress(f"choosing by {by}"):
            from audiogen_jax.evaluate.takes import best_takes

            clips = best_takes(clips, len(outputs), by)
    made_by = made_with(pipeline)
    for path, clip in zip(outputs, clips, strict=True):
        made = write_clip(
            path,
            clip,
            made_by,
            options,
            recording=source is not None,
            delivery=delivery,
            marking=marking,
            subtype=subtype,
        )
        tell_changes(path, made)
        take = f", take {clip.id}" if takes > 1 else ""
        length = seconds(made.samples, made.sample_rate)
        typer.echo(f"{path}: {length}, seed {seed}{take}, {clip.prompt}")
        if plot:
            _plot(path.with_suffix(".png"), made, clip.prompt)


def _plot(path: Path, made: "Exported", title: str) -> None:
    with progress("plotting"):
        from audiogen_jax.files.mel_picture import plot_mel

        plot_mel(path, made.samples, made.sample_rate, title=title)
    typer.echo(f"{path}: mel spectrogram")


def _outputs(output: Path, takes: int, keep: int | None, by: str | None) -> list[Path]:
    """One file, or one for each take that is written, the best first.

    Raises:
      ValueError: numbers that go against each other, or nobody chooses.
    """
    count = takes if keep is None else keep
    if not 1 <= count <= takes <= _MOST_TAKES:
        raise ValueError(
            f"--takes {takes} --keep {count}: expected 1 <= keep <= takes <= {_MOST_TAKES}"
        )
    if count < takes:
        from audiogen_jax.evaluate.takes import SCORERS

        if by not in SCORERS:
            raise ValueError(f"--by {by}: who chooses? Expected one of {', '.join(SCORERS)}")
    elif by is not None:
        raise ValueError(f"--by {by}: all {takes} takes are written, give fewer to --keep")
    if count == 1:
        return [output]
    return [output.with_name(f"{output.stem}_{i}{output.suffix}") for i in range(1, count + 1)]


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
