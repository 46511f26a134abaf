"""`audiogen reconstruct`."""

from pathlib import Path
from typing import Annotated

import typer

from audiogen_jax.cli.app import app, check_audio_output, progress
from audiogen_jax.cli.decode import decode_to
from audiogen_jax.cli.encode import read_with_codec
from audiogen_jax.cli.options import Checkpoint, Overwrite


@app.command(epilog="Example: `audiogen reconstruct song.mp3 --output song_rebuilt.wav`")
def reconstruct(
    audio: Annotated[Path, typer.Argument(help="Any audio file libsndfile reads.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=".wav or .flac; default: AUDIO_reconstructed.wav"),
    ] = None,
    checkpoint: Checkpoint = "nano",
    overwrite: Overwrite = False,
) -> None:
    """Encode and decode an audio file, to hear what the latents keep."""
    output = output or audio.with_name(f"{audio.stem}_reconstructed.wav")
    check_audio_output(output, overwrite)
    recording, codec = read_with_codec(audio, checkpoint)
    with progress("encoding"):
        latents = codec.encode_clip(recording.samples)
    decode_to(output, codec, latents, len(recording.samples))
