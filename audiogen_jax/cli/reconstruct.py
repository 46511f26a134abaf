"""`audiogen reconstruct`."""

from pathlib import Path
from typing import Annotated

import typer

from audiogen_jax.cli.app import app, check_audio_output, progress
from audiogen_jax.cli.decode import decode_to
from audiogen_jax.cli.encode import read_with_codec
from audiogen_jax.cli.options import Checkpoint, Overwrite, marking_options
from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.marking import Marking


@app.command(epilog="Example: `audiogen reconstruct song.mp3 --output song_rebuilt.wav`")
@marking_options
def reconstruct(
    marking: Marking,
    audio: Annotated[Path, typer.Argument(help="Any audio file libsndfile reads.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Default: AUDIO_reconstructed.wav"),
    ] = None,
    checkpoint: Checkpoint = "nano",
    overwrite: Overwrite = False,
) -> None:
    """Encode and decode an audio file, to hear what the latents keep."""
    output = output or audio.with_name(f"{audio.stem}_reconstructed.wav")
    check_audio_output(output, overwrite, marking)
    recording, codec = read_with_codec(audio, checkpoint)
    with progress("encoding"):
        latents = codec.encode_clip(recording.samples)
    count = len(recording.samples)
    decode_to(output, codec, latents, count, "reconstruct", Delivery(), marking)
