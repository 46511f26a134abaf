"""`audiogen …`: the command line.

Bad input ends with exit code 2 and one line on stderr; outputs are whole or absent. Modules that
need jax are imported inside the commands, so that `--help` answers at once.
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from typer.exceptions import TyperException

app = typer.Typer(
    name="audiogen",
    help="Text to audio scenes, and audio to latents and back.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
_stderr = Console(stderr=True, highlight=False)

Checkpoint = Annotated[
    str, typer.Option(help="'nano' (embedded) or a folder in Hugging Face layout.")
]


Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")]
Dtype = Annotated[str, typer.Option(help="Of the computation: fp32 or bf16.")]


def _view(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel="Caption views")


def _sampling(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel="Sampling")


def _source(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel="Starting from real audio")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits; `arguments` defaults to those of the process."""
    try:
        code = app(arguments, prog_name="audiogen", standalone_mode=False)
    except TyperException as error:
        code = _refuse(error.format_message())
    except (ValueError, OSError) as error:
        code = _refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code)


def _refuse(message: str) -> int:
    if message:  # `audiogen` alone has shown the help already
        print("audiogen:", " ".join(message.split()), file=sys.stderr)
    return 2


@app.command(
    epilog="Examples: `audiogen generate --caption 'a dog barks by a road' --sfx 'dog bark' "
    "--env 'street' --duration 4 --plot --output dog.wav`; keep all of a recording but one second: "
    "`audiogen generate --caption 'rain' --source walk.wav --regenerate 2:3`; continue it: "
    "`… --source walk.wav --duration 8`; vary it: `… --source walk.wav --regenerate all "
    "--noise-level 0.6`"
)
def generate(
    prompt: Annotated[
        str | None, typer.Argument(help="Tagged string: '<|caption|> … <|asr|> … <|env|> …'.")
    ] = None,
    caption: Annotated[str | None, _view("What is heard overall.")] = None,
    speech: Annotated[str | None, _view("How the speech sounds.")] = None,
    asr: Annotated[str | None, _view("The words spoken.")] = None,
    sfx: Annotated[str | None, _view("Sound events.")] = None,
    music: Annotated[str | None, _view("The music.")] = None,
    env: Annotated[str | None, _view("The acoustic environment.")] = None,
    duration: Annotated[
        float | None, typer.Option(help="Seconds; by default the model decides.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same audio.")] = 0,
    steps: Annotated[int, typer.Option(help="Solver steps.")] = 25,
    guidance: Annotated[
        float, typer.Option(help="Classifier-free guidance scale; 1 turns it off.")
    ] = 5.0,
    view_guidance: Annotated[
        list[str] | None,
        _sampling("VIEW=SCALE, a scale of its own for speech, sfx, music or env; repeatable."),
    ] = None,
    guidance_interval: Annotated[
        str, _sampling("LOW:HIGH noise levels in which guidance acts.")
    ] = "0:1",
    negative: Annotated[
        str | None, _sampling("Tagged string to be guided away from, in the place of no text.")
    ] = None,
    solver: Annotated[
        str, _sampling("euler, ab2, dpmpp2m; midpoint and heun take two evaluations per step.")
    ] = "euler",
    schedule: Annotated[str, _sampling("sway or linear")] = "sway",
    compat: Annotated[
        str | None, _sampling("'release' repeats the quirks of the PyTorch release.")
    ] = None,
    source: Annotated[
        Path | None, _source("Audio file to keep parts of, to continue or to vary.")
    ] = None,
    regenerate: Annotated[
        list[str] | None,
        _source("START:END seconds of the source to make anew, repeatable; 'all' keeps none."),
    ] = None,
    noise_level: Annotated[
        float, _source("Where sampling starts, above 0 to 1: lower stays nearer the source.")
    ] = 1.0,
    checkpoint: Checkpoint = "nano",
    revision: Revision = None,
    dtype: Dtype = "fp32",
    param_dtype: Annotated[
        str, typer.Option(help="Of the weights in memory: fp32 or bf16.")
    ] = "fp32",
    plot: Annotated[
        bool, typer.Option("--plot", help="Also write the mel spectrogram beside it as PNG.")
    ] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help=".wav or .flac")] = Path(
        "audiogen.wav"
    ),
) -> None:
    """Generate an audio scene from a structured caption."""
    from audiogen_jax.caption import StructuredCaption

    views = (caption, speech, asr, sfx, music, env)
    if prompt is not None and any(view is not None for view in views):
        raise ValueError("give either a tagged string or one option per view, not both")
    if prompt is not None:
        scene = StructuredCaption.parse(prompt)
    elif caption is None:
        raise ValueError("no caption: give a tagged string '<|caption|> …', or --caption TEXT")
    else:
        scene = StructuredCaption(caption, speech, asr, sfx, music, env)
    picture = output.with_suffix(".png")
    _check_audio_output(output)
    if plot:
        _check_output(picture)

    if source is None and (regenerate or noise_level != 1.0):
        raise ValueError("--regenerate and --noise-level need a --source")
    options = dict(
        steps=steps,
        guidance=guidance,
        negative=negative,
        solver=solver,
        schedule=schedule,
        view_guidance=dict(_pair(text, "=", "--view-guidance") for text in view_guidance or ()),
        guidance_interval=_numbers(guidance_interval, "--guidance-interval"),
        compat=compat,
    )
    with _progress("loading the model"):
        from audiogen_jax.infer.audio_io import write_audio
        from audiogen_jax.infer.compile_cache import use_compile_cache
        from audiogen_jax.infer.pipeline import Pipeline

        use_compile_cache()
        pipeline = Pipeline.load(
            checkpoint, revision=revision, dtype=dtype, param_dtype=param_dtype
        )
        if source is not None:
            options["source"] = _read_source(source, regenerate or (), noise_level, pipeline)
    with _progress(f"generating, {steps} steps"):
        (clip,) = pipeline.generate(scene, seed=seed, duration=duration, **options)
    write_audio(output, clip.audio, clip.sample_rate)
    typer.echo(f"{output}: {_seconds(clip.audio, clip.sample_rate)}, seed {seed}, {clip.prompt}")
    if plot:
        with _progress("plotting"):
            from audiogen_jax.infer.plot import plot_mel

            plot_mel(picture, clip.audio, clip.sample_rate, title=clip.prompt)
        typer.echo(f"{picture}: mel spectrogram")


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
    with _progress("encoding"):
        import numpy as np

        from audiogen_jax.infer.latent_files import write_latents

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
    _check_audio_output(output)
    from audiogen_jax.infer.latent_files import read_latents

    frames, num_samples = read_latents(latents)
    with _progress("loading the tokenizer"):
        from audiogen_jax.infer.tokenizer import Tokenizer

        tokenizer = Tokenizer.load(checkpoint)
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
    _check_audio_output(output)
    samples, tokenizer = _read_with_tokenizer(audio, checkpoint)
    with _progress("encoding"):
        latents = tokenizer.encode(samples[None])[0]
    _decode_to(output, tokenizer, latents, len(samples))


@app.command(
    epilog="Example: `audiogen train --config configs/nano_generator.py --workdir runs/generator "
    "--set tokenizer=runs/tokenizer/export`"
)
def train(
    config: Annotated[str, typer.Option(help="File with get_config(): FILE.py or FILE.py:ARG.")],
    workdir: Annotated[Path, typer.Option(help="Folder of checkpoints and metrics; resumed.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key.path=value, may be repeated.")
    ] = None,
) -> None:
    """Train a model as a config file says, or go on from the last checkpoint in WORKDIR."""
    from audiogen_jax.train.config import load_config
    from audiogen_jax.train.loop import train as run

    run(load_config(config, set_ or []), workdir)


@app.command(
    epilog="Example: `audiogen evaluate clips/manifest.jsonl --part reconstruction "
    "--output nano.json`"
)
def evaluate(
    manifest: Annotated[Path, typer.Argument(help="Real recordings (jsonl), train and val split.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The report with its protocol, .json")
    ] = Path("evaluation.json"),
    checkpoint: Checkpoint = "nano",
    part: Annotated[
        list[str] | None,
        typer.Option(help="reconstruction, generation or mixtures; repeatable; default: all"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws clips, phrasings and noise.")] = 0,
    steps: Annotated[int, typer.Option(help="Solver steps.")] = 25,
    guidance: Annotated[float, typer.Option(help="Classifier-free guidance scale.")] = 5.0,
    per_group: Annotated[int, typer.Option(help="Clips to rebuild of each group.")] = 50,
    per_class: Annotated[int, typer.Option(help="Clips to generate of each class.")] = 10,
    pairs: Annotated[int, typer.Option(help="Mixtures of a digit and a sound to make.")] = 100,
    cache: Annotated[Path, typer.Option(help="Folder that keeps the trained judge.")] = Path(
        "runs/judge"
    ),
) -> None:
    """Measure a checkpoint on held-out recordings and write one report."""
    from audiogen_jax.evaluate.run import PARTS, run

    run(
        checkpoint,
        manifest,
        output,
        cache=cache,
        parts=part or PARTS,
        seed=seed,
        steps=steps,
        guidance=guidance,
        per_group=per_group,
        per_class=per_class,
        pairs=pairs,
    )


@app.command(epilog="Example: `audiogen convert downloads/dashengtokenizer tok16 --dtype bfloat16`")
def convert(
    source: Annotated[str, typer.Argument(help="Folder in Hugging Face layout.")],
    output: Annotated[Path, typer.Argument(help="Folder to make.")],
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16")] = "float32",
) -> None:
    """Check every tensor of a checkpoint and write a copy in another precision."""
    from audiogen_jax.infer.conversion import convert_checkpoint

    with _progress("converting"):
        written = convert_checkpoint(source, output, dtype)
    for part, count in written.items():
        typer.echo(f"{output / part}: {count} parameters, {dtype}")


def _read_source(path: Path, regenerate: Sequence[str], noise_level: float, pipeline: Any) -> Any:
    from audiogen_jax.infer.audio_io import read_audio
    from audiogen_jax.infer.editing import Source

    audio = read_audio(path, pipeline.config.sample_rate)
    for note in audio.notes:
        typer.echo(f"{path}: {note}", err=True)
    spans = [
        (0.0, float("inf")) if text == "all" else _numbers(text, "--regenerate")
        for text in regenerate
    ]
    return Source(audio.samples, spans, noise_level)


def _pair(text: str, separator: str, option: str) -> tuple[str, float]:
    name, found, number = text.partition(separator)
    try:
        return name, float(number if found else "")
    except ValueError:
        raise ValueError(f"{option} {text!r}: expected NAME{separator}NUMBER") from None


def _numbers(text: str, option: str) -> tuple[float, float]:
    """START:END."""
    try:
        start, end = (float(part) for part in text.split(":"))
    except ValueError:
        raise ValueError(f"{option} {text!r}: expected two numbers, START:END") from None
    return start, end


def _read_with_tokenizer(path: Path, checkpoint: str) -> tuple[Any, Any]:
    """Reads audio first, as that fails quickly, then loads the tokenizer."""
    from audiogen_jax.infer.audio_io import read_audio

    audio = read_audio(path)
    for note in audio.notes:
        typer.echo(f"{path}: {note}", err=True)
    with _progress("loading the tokenizer"):
        from audiogen_jax.infer.tokenizer import Tokenizer

        return audio.samples, Tokenizer.load(checkpoint)


def _decode_to(output: Path, tokenizer: Any, latents: Any, num_samples: int | None) -> None:
    with _progress("decoding"):
        import numpy as np

        from audiogen_jax.infer.audio_io import write_audio

        samples = np.asarray(tokenizer.decode(latents[None])[0])[:num_samples]
    write_audio(output, samples, tokenizer.sample_rate)
    typer.echo(f"{output}: {_seconds(samples, tokenizer.sample_rate)}")


def _check_audio_output(path: Path) -> None:
    from audiogen_jax.infer.audio_io import check_audio_suffix

    check_audio_suffix(path)
    _check_output(path)


def _check_latents_output(path: Path) -> None:
    from audiogen_jax.infer.latent_files import check_latents_suffix

    check_latents_suffix(path)
    _check_output(path)


def _check_output(path: Path) -> None:
    from audiogen_jax.infer.output import check_writable

    check_writable(path)


def _seconds(samples: Any, sample_rate: int) -> str:
    return f"{len(samples) / sample_rate:.2f} s at {sample_rate} Hz"


@contextlib.contextmanager
def _progress(what: str) -> Iterator[None]:
    """A moving bar with the time spent, on stderr, gone when the work is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_stderr, transient=True) as progress:
        progress.add_task(what, total=None)
        yield
