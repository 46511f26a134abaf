"""`audiogen edit` and `audiogen stems`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiogen_jax.cli.app import app, check_audio_output, progress, seconds, tell_changes
from audiogen_jax.cli.options import (
    Dtype,
    Overwrite,
    ParamDtype,
    Revision,
    ShardingOption,
    delivery_options,
    marking_options,
    read_interval,
)
from audiogen_jax.edit_kinds import STEMS, EditKind
from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.marking import Marking
from audiogen_jax.infer.options import SamplingOptions, Schedule, Sharding, Solver

if TYPE_CHECKING:
    from audiogen_jax.files.audio import Audio
    from audiogen_jax.files.provenance import Action, MadeWith
    from audiogen_jax.infer.pipeline import Pipeline
    from audiogen_jax.infer.requests import Clip

Seed = Annotated[int, typer.Option(help="Another take with another number.")]
Steps = Annotated[int | None, typer.Option(help="Solver steps. Default: as suits the model")]
Guidance = Annotated[
    float | None,
    typer.Option(help="Scale of classifier-free guidance. Default: as suits the model"),
]


@app.command(
    epilog="Example: `audiogen edit remove in.wav --what 'dog barking' --output out.wav`. In the "
    "place of another sound: `audiogen edit restyle in.wav --what guitar --to saxophone`. For a "
    "broadcast: `… --loudness -23 --true-peak -1`"
)
@delivery_options
@marking_options
def edit(
    delivery: Delivery,
    marking: Marking,
    kind: Annotated[EditKind, typer.Argument(help="What is done with the sound.")],
    audio: Annotated[Path, typer.Argument(help="Any audio file libsndfile reads.")],
    what: Annotated[str, typer.Option(help="The sound that is meant, such as 'dog barking'.")],
    to: Annotated[str | None, typer.Option(help="What it becomes, of restyle.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: AUDIO_KIND with .wav")
    ] = None,
    checkpoint: Annotated[
        str, typer.Option(help="A folder or hub name of a model that edits.")
    ] = "nano",
    revision: Revision = None,
    between: Annotated[
        str | None,
        typer.Option(
            metavar="START:END",
            help="Seconds outside of which the recording stays as it is, to the bit.",
        ),
    ] = None,
    seed: Seed = 0,
    steps: Steps = None,
    guidance: Guidance = None,
    schedule: Annotated[
        Schedule | None, typer.Option(help="The noise levels to step through.")
    ] = None,
    solver: Annotated[Solver | None, typer.Option(help="That steps through them.")] = None,
    dtype: Dtype = "float32",
    param_dtype: ParamDtype = "float32",
    sharding: ShardingOption = "dp",
    overwrite: Overwrite = False,
) -> None:
    """Change a recording by instruction; it keeps its length, rate, channels and level."""
    from audiogen_jax.infer.clip_files import made_with

    output = output or audio.with_name(f"{audio.stem}_{kind}.wav")
    check_audio_output(output, overwrite, marking, delivery)
    seconds_to_change = None if between is None else read_interval(between, "--between")
    recording = _read(audio, output.suffix.lower(), delivery)
    pipeline = _load(checkpoint, revision, dtype, param_dtype, sharding)
    options = _options(pipeline, kind, steps, guidance, schedule=schedule, solver=solver)
    with progress("editing"):
        clip = pipeline.edit(
            kind,
            recording.samples,
            recording.sample_rate,
            what=what,
            to=to,
            between=seconds_to_change,
            seed=seed,
            options=options,
        )
    options = options or pipeline.editing_options(kind)
    made_by = made_with(pipeline)
    _write(output, clip, audio, recording, made_by, "edit", options, delivery, marking)


@app.command(epilog="Example: `audiogen stems street.wav --output street`")
@marking_options
def stems(
    marking: Marking,
    audio: Annotated[Path, typer.Argument(help="Any audio file libsndfile reads.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder. Default: AUDIO_stems")
    ] = None,
    checkpoint: Annotated[
        str, typer.Option(help="A folder or hub name of a model that edits by its latents.")
    ] = "nano",
    revision: Revision = None,
    seed: Seed = 0,
    steps: Steps = None,
    guidance: Guidance = None,
    dtype: Dtype = "float32",
    param_dtype: ParamDtype = "float32",
    sharding: ShardingOption = "dp",
    overwrite: Overwrite = False,
) -> None:
    """Share a recording out among voice, events, music and ambience, which sum to it."""
    from audiogen_jax.infer.clip_files import made_with

    output = output or audio.with_name(f"{audio.stem}_stems")
    paths = {name: output / f"{name}.wav" for name in STEMS}
    for path in paths.values():
        check_audio_output(path, overwrite, marking)
    plain = Delivery()
    recording = _read(audio, ".wav", plain)
    pipeline = _load(checkpoint, revision, dtype, param_dtype, sharding)
    options = _options(pipeline, "extract", steps, guidance)
    with progress("listening for the stems"):
        clips = pipeline.stems(recording.samples, recording.sample_rate, seed=seed, options=options)
    output.mkdir(parents=True, exist_ok=True)
    options = options or pipeline.editing_options("extract")
    made_by = made_with(pipeline)
    for name, path in paths.items():
        clip = clips[name]
        _write(path, clip, audio, recording, made_by, "stems", options, plain, marking)


def _write(
    path: Path,
    clip: "Clip",
    source: Path,
    recording: "Audio",
    checkpoint: "MadeWith",
    action: "Action",
    options: SamplingOptions,
    delivery: Delivery,
    marking: Marking,
) -> None:
    """Writes what became of a recording, as exact as that is and at its place in time."""
    from audiogen_jax.files.audio import lossless_subtype
    from audiogen_jax.files.broadcast_wave import first_sample
    from audiogen_jax.files.export import write_export
    from audiogen_jax.infer.clip_files import clip_provenance

    made = write_export(
        path,
        clip.audio,
        clip.sample_rate,
        clip_provenance(clip, checkpoint, options, action),
        delivery,
        marking,
        lossless_subtype(recording.subtype, path.suffix),
        first_sample(source),
    )
    tell_changes(path, made)
    typer.echo(f"{path}: {seconds(made.samples, made.sample_rate)}")


def _read(path: Path, suffix: str, delivery: Delivery) -> "Audio":
    """A recording of which what becomes can be delivered in a format."""
    from audiogen_jax.files.audio import read_audio
    from audiogen_jax.files.export import check_clip

    recording = read_audio(path, sample_rate=None, channels=None)
    for note in recording.notes:
        typer.echo(f"{path}: {note}", err=True)
    count, channels = recording.samples.shape
    rate = recording.sample_rate
    check_clip(suffix, delivery, count / rate, rate, channels)
    return recording


def _load(
    checkpoint: str, revision: str | None, dtype: str, param_dtype: str, sharding: Sharding
) -> "Pipeline":
    with progress("loading the model"):
        from audiogen_jax.infer.compile import use_compile_cache
        from audiogen_jax.infer.pipeline import Pipeline

        use_compile_cache()
        return Pipeline.load(
            checkpoint, revision=revision, dtype=dtype, param_dtype=param_dtype, sharding=sharding
        )


def _options(
    pipeline: "Pipeline",
    kind: EditKind,
    steps: int | None,
    guidance: float | None,
    **changes: str | None,
) -> SamplingOptions | None:
    """What suits the model and the edit, but for what is given; None if that is nothing."""
    given = {"steps": steps, "guidance": guidance, **changes}
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return None
    return dataclasses.replace(pipeline.editing_options(kind), **given)  # pyright: ignore[reportArgumentType]
