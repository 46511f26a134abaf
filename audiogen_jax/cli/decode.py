"""`audiogen decode`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from audiogen_jax.cli.app import app, check_audio_output, progress, seconds
from audiogen_jax.cli.options import Checkpoint

if TYPE_CHECKING:
    from audiogen_jax.infer.codec import Codec


@app.command(epilog="Example: `audiogen decode speech.npz --output speech.wav`")
def decode(
    latents: Annotated[Path, typer.Argument(help=".npz or .safetensors with 'latents' [t c].")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help=".wav or .flac; default: LATENTS as .wav")
    ] = None,
    checkpoint: Checkpoint = "nano",
) -> None:
    """Decode latents to an audio file."""
    output = output or latents.with_suffix(".wav")
    check_audio_output(output)
    from audiogen_jax.files.latents import read_latents

    frames, num_samples = read_latents(latents)
    with progress("loading the codec"):
        from audiogen_jax.infer.codec import Codec

        codec = Codec.load(checkpoint)
    decode_to(output, codec, frames, num_samples)


def decode_to(output: Path, codec: "Codec", latents: np.ndarray, num_samples: int | None) -> None:
    """Writes what latents [t c] decode to, cut to a number of samples."""
    with progress("decoding"):
        from audiogen_jax.files.audio import write_audio

        samples = np.asarray(codec.decode(latents[None])[0])[:num_samples]
    write_audio(output, samples, codec.sample_rate)
    typer.echo(f"{output}: {seconds(samples, codec.sample_rate)}")
