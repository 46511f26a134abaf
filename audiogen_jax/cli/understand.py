"""`audiogen understand`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from audiogen_jax.cli.app import app, progress
from audiogen_jax.cli.options import Dtype, ParamDtype, Revision, ShardingOption


@app.command(
    epilog="Example: `audiogen understand in.wav 'What is heard?'`. Of a video, with its sound: "
    "`audiogen understand in.mp4 'What happens?'`. Of several: `audiogen understand a.wav b.wav "
    "'Which one is louder?'`"
)
def understand(
    files: Annotated[list[Path], typer.Argument(help="Sound, videos or pictures.")],
    question: Annotated[str, typer.Argument(help="What is asked, in any language.")],
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="Folder in Hugging Face layout or hub name, such as Qwen/Qwen2.5-Omni-3B; "
            "default: a published one that has been downloaded."
        ),
    ] = None,
    max_tokens: Annotated[int, typer.Option(help="Most tokens of the answer.")] = 256,
    temperature: Annotated[
        float, typer.Option(help="0 takes the likeliest words, 1 draws as the model says.")
    ] = 0.0,
    top_p: Annotated[
        float, typer.Option(help="Draw among the likeliest with this probability together.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Of answers that are drawn.")] = 0,
    compat: Annotated[
        Literal["release"] | None,
        typer.Option(help="Choose frames of videos as the PyTorch release does."),
    ] = None,
    revision: Revision = None,
    dtype: Dtype = "float32",
    param_dtype: ParamDtype = "bfloat16",
    sharding: ShardingOption = "dp",
) -> None:
    """Ask what is heard and seen in files."""
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(f"no file at {path}")
    with progress("loading the model"):
        from audiogen_jax.infer.compile import use_compile_cache
        from audiogen_jax.infer.media import read_any
        from audiogen_jax.infer.understand import Question, Understanding
        from audiogen_jax.models.language_model import Decoding
        from audiogen_jax.models.quirks import Quirks

        use_compile_cache()
        decoding, quirks = Decoding(max_tokens, temperature, top_p), Quirks.of(compat)
        understanding = Understanding.load(
            checkpoint,
            revision=revision,
            dtype=dtype,
            param_dtype=param_dtype,
            sharding=sharding,
        )
    with progress("listening and looking"):
        media = tuple(read_any(path, understanding.model, quirks) for path in files)
        (answer,) = understanding.answer([Question(question, media)], decoding, seed)
    typer.echo(answer)
