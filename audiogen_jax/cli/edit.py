"""`audiogen edit`."""

from pathlib import Path
from typing import Annotated

import typer

from audiogen_jax.cli.app import app, check_audio_output, progress, seconds
from audiogen_jax.cli.options import Dtype, Overwrite, ParamDtype, Revision, ShardingOption
from audiogen_jax.infer.options import Schedule, Solver
from audiogen_jax.models.edit_kinds import EditKind


@app.command(
    epilog="Example: `audiogen edit remove in.wav --what 'dog barking' --output out.wav`. In the "
    "place of another sound: `audiogen edit restyle in.wav --what guitar --to saxophone`"
)
def edit(
    kind: Annotated[EditKind, typer.Argument(help="What is done with the sound.")],
    audio: Annotated[Path, typer.Argument(help="Any audio file libsndfile reads.")],
    what: Annotated[str, typer.Option(help="The sound that is meant, such as 'dog barking'.")],
    to: Annotated[str | None, typer.Option(help="What it becomes, of restyle.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: AUDIO_KIND with .wav")
    ] = None,
    checkpoint: Annotated[
        str, typer.Option(help="A folder or hub name of a model that edits.")
    ] = "HKUSTAudio/Audio-Omni",
    revision: Revision = None,
    seed: Annotated[int, typer.Option(help="Another take with another number.")] = 0,
    steps: Annotated[int, typer.Option(help="Solver steps.")] = 100,
    guidance: Annotated[float, typer.Option(help="Scale of classifier-free guidance.")] = 7.0,
    schedule: Annotated[
        Schedule, typer.Option(help="The noise levels to step through.")
    ] = "linear",
    solver: Annotated[Solver, typer.Option(help="That steps through them.")] = "euler",
    dtype: Dtype = "float32",
    param_dtype: ParamDtype = "float32",
    sharding: ShardingOption = "dp",
    overwrite: Overwrite = False,
) -> None:
    """Change a recording by instruction; it keeps its length, rate, channels and level."""
    from audiogen_jax.files.audio import lossless_subtype, read_audio, write_audio

    output = output or audio.with_name(f"{audio.stem}_{kind}.wav")
    check_audio_output(output, overwrite)
    recording = read_audio(audio, sample_rate=None, channels=None)
    for note in recording.notes:
        typer.echo(f"{audio}: {note}", err=True)
    with progress("loading the model"):
        from audiogen_jax.infer.compile import use_compile_cache
        from audiogen_jax.infer.options import SamplingOptions
        from audiogen_jax.infer.pipeline import Pipeline

        use_compile_cache()
        options = SamplingOptions(steps, guidance, schedule, solver)
        pipeline = Pipeline.load(
            checkpoint,
            revision=revision,
            dtype=dtype,
            param_dtype=param_dtype,
            sharding=sharding,
        )
    with progress("editing"):
        clip = pipeline.edit(
            kind,
            recording.samples,
            recording.sample_rate,
            what=what,
            to=to,
            seed=seed,
            options=options,
        )
    subtype = lossless_subtype(recording.subtype, output.suffix)
    write_audio(output, clip.audio, clip.sample_rate, subtype)
    typer.echo(f"{output}: {seconds(clip.audio, clip.sample_rate)}")
