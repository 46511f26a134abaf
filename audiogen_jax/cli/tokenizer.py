"""`audiogen encode`, `decode` and `reconstruct`: the audio tokenizer by itself."""

from pathlib import Path
from typing import Annotated, Any

import typer

from audiogen_jax.cli.app import (
    Checkpoint,
    app,
    check_audio_output,
    check_output,
    progress,
    seconds,
)


@app.command(epilog="Example: `audiogen encode speech.flac --output speech.npz`")
def encode(
    audio: Annotated[Path, typer.Argument(help="Any audio file libsndfile reads.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=".npz or .safetensors; default: AUDIO with .npz"),
    ] = None,
    checkpoint: Checkpoint = "nano",
) -> None:
    """Encode an audio file to latents [t c], 25 frames per second."""
    output = output or audio.with_suffix(".npz")
    _check_latents_output(output)
    samples, tokenizer = _read_with_tokenizer(audio, checkpoint)
    with progress("encoding"):
        import numpy as np

        from audiogen_jax.files.latents import write_latents

        latents = np.asarray(tokenizer.encode(samples[None])[0])
    write_latents(output, latents, num_samples=len(samples))
    frames, channels = latents.shape
    typer.echo(f"{output}: {frames} frames x {channels} channels")


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
    with progress("loading the tokenizer"):
        from audiogen_jax.infer.codec import Codec

        tokenizer = Codec.load(checkpoint)
    _decode_to(output, tokenizer, frames, num_samples)


@app.command(epilog="Example: `audiogen reconstruct song.mp3 --output song_rebuilt.wav`")
def reconstruct(
    audio: Annotated[Path, typer.Argument(help="Any audio file libsndfile reads.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=".wav or .flac; default: AUDIO_reconstructed.wav"),
    ] = None,
    checkpoint: Checkpoint = "nano",
) -> None:
    """Encode and decode an audio file, to hear what the latents keep."""
    output = output or audio.with_name(f"{audio.stem}_reconstructed.wav")
    check_audio_output(output)
    samples, tokenizer = _read_with_tokenizer(audio, checkpoint)
    with progress("encoding"):
        latents = tokenizer.encode(samples[None])[0]
    _decode_to(output, tokenizer, latents, len(samples))


def _read_with_tokenizer(path: Path, checkpoint: str) -> tuple[Any, Any]:
    """Reads audio first, as that fails quickly, then loads the tokenizer."""
    from audiogen_jax.files.audio import read_audio

    audio = read_audio(path)
    for note in audio.notes:
        typer.echo(f"{path}: {note}", err=True)
    with progress("loading the tokenizer"):
        from audiogen_jax.infer.codec import Codec

        return audio.samples, Codec.load(checkpoint)


def _decode_to(output: Path, tokenizer: Any, latents: Any, num_samples: int | None) -> None:
    with progress("decoding"):
        import numpy as np

        from audiogen_jax.files.audio import write_audio

        samples = np.asarray(tokenizer.decode(latents[None])[0])[:num_samples]
    write_audio(output, samples, tokenizer.sample_rate)
    typer.echo(f"{output}: {seconds(samples, tokenizer.sample_rate)}")


def _check_latents_output(path: Path) -> None:
    from audiogen_jax.files.latents import check_latents_suffix

    check_latents_suffix(path)
    check_output(path)
