"""`audiogen decode`."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiogen_jax.cli.app import app, check_audio_output, progress, seconds, tell_changes
from audiogen_jax.cli.options import Checkpoint, Overwrite, delivery_options, marking_options
from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.marking import Marking

if TYPE_CHECKING:
    import numpy as np

    from audiogen_jax.files.provenance import Action
    from audiogen_jax.infer.codec import Codec


@app.command(
    epilog="Example: `audiogen decode speech.npz --output speech.wav`. For a podcast: "
    "`audiogen decode speech.npz --loudness -16 --sample-rate 48000 --channels 2`"
)
@delivery_options
@marking_options
def decode(
    delivery: Delivery,
    marking: Marking,
    latents: Annotated[Path, typer.Argument(help=".npz or .safetensors with 'latents' [t c].")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: LATENTS as .wav")
    ] = None,
    checkpoint: Checkpoint = "nano",
    overwrite: Overwrite = False,
) -> None:
    """Decode latents to an audio file."""
    output = output or latents.with_suffix(".wav")
    check_audio_output(output, overwrite, marking, delivery)
    from audiogen_jax.files.latents import read_latents

    frames, num_samples = read_latents(latents)
    with progress("loading the codec"):
        from audiogen_jax.infer.codec import Codec

        codec = Codec.load(checkpoint)
    if num_samples is not None:
        _check_length(latents, codec, len(frames), num_samples)
    try:
        decode_to(output, codec, frames, num_samples, "decode", delivery, marking)
    except ValueError as error:
        raise ValueError(f"{latents}: {error}") from error


def _check_length(path: Path, codec: "Codec", frames: int, num_samples: int) -> None:
    """Checks that latents of a file are as long as the audio that it names."""
    decoded = frames * codec.samples_per_latent
    if num_samples <= decoded:
        return
    if codec.latent_length(num_samples) != frames:
        raise ValueError(
            f"{path}: 'num_samples' is {num_samples}, but its {frames} latent frames hold {decoded}"
        )
    warnings.warn(  # as version 0.2.0 wrote them
        f"{path}: the last {num_samples - decoded} of {num_samples} samples are not in the latents",
        stacklevel=2,
    )


def decode_to(
    output: Path,
    codec: "Codec",
    latents: "np.ndarray",
    num_samples: int | None,
    action: "Action",
    delivery: Delivery,
    marking: Marking,
) -> None:
    """Writes what latents [t c] decode to, cut to a number of samples."""
    with progress("decoding"):
        import numpy as np

        from audiogen_jax.files.export import write_export
        from audiogen_jax.files.provenance import Provenance
        from audiogen_jax.infer.clip_files import made_with

        samples = np.asarray(codec.decode(latents[None])[0])[:num_samples]
        provenance = Provenance(action, made_with(codec))
    made = write_export(output, samples, codec.sample_rate, provenance, delivery, marking)
    tell_changes(output, made)
    typer.echo(f"{output}: {seconds(made.samples, made.sample_rate)}")
