"""`audiogen encode`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiogen_jax.cli.app import app, check_output, progress
from audiogen_jax.cli.options import Checkpoint, Overwrite

if TYPE_CHECKING:
    from audiogen_jax.files.audio import Audio
    from audiogen_jax.infer.codec import Codec


@app.command(epilog="Example: `audiogen encode speech.flac --output speech.npz`")
def encode(
    audio: Annotated[Path, typer.Argument(help="Any audio file libsndfile reads.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=".npz or .safetensors; default: AUDIO with .npz"),
    ] = None,
    checkpoint: Checkpoint = "nano",
    overwrite: Overwrite = False,
) -> None:
    """Encode an audio file to latents [t c], 25 frames per second with the embedded codec."""
    from audiogen_jax.files.latents import check_latents_suffix, write_latents

    output = output or audio.with_suffix(".npz")
    check_latents_suffix(output)
    check_output(output, overwrite)
    recording, codec = read_with_codec(audio, checkpoint)
    with progress("encoding"):
        latents = codec.encode_clip(recording.samples)
    write_latents(output, latents, num_samples=len(recording.samples))
    frames, channels = latents.shape
    typer.echo(f"{output}: {frames} frames x {channels} channels")


def read_with_codec(path: Path, checkpoint: str) -> "tuple[Audio, Codec]":
    """Opens the codec, whose weights are read later, and audio at its rate, in its channels."""
    from audiogen_jax.files.audio import read_audio

    with progress("opening the codec"):
        from audiogen_jax.infer.codec import Codec

        codec = Codec.load(checkpoint)
    audio = read_audio(path, codec.sample_rate, codec.channels)
    for note in audio.notes:
        typer.echo(f"{path}: {note}", err=True)
    return audio, codec
