"""Text to coherent audio scenes: DashengTokenizer and Dasheng AudioGen in JAX/Flax.

>>> import audiogen_jax as ag
>>> prompt = ag.compose(caption="a dog barks in a quiet street", env="outdoors")
>>> clip = ag.load("nano").generate(prompt, seed=0)[0]  # clip.audio, clip.sample_rate
>>> latents = ag.load_tokenizer("nano").encode(clip.audio[None])
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiogen_jax.caption import StructuredCaption, compose, parse

if TYPE_CHECKING:
    from audiogen_jax.infer.codec import Codec
    from audiogen_jax.infer.pipeline import Clip, Pipeline

__version__ = "0.1.0"
__all__ = [
    "Clip",
    "Pipeline",
    "StructuredCaption",
    "Codec",
    "compose",
    "load",
    "load_tokenizer",
    "parse",
]


def load(source: str | Path = "nano", **options: Any) -> "Pipeline":
    """Loads a text-to-audio generator with its text encoder and audio tokenizer.

    Args:
      source: "nano" for the embedded model, a folder in Hugging Face layout, or the name of a hub
        repository.
      **options: revision, dtype, param_dtype, devices: see `Pipeline.load`.

    Raises:
      ValueError: there is no such checkpoint, or it does not hold what it should.
    """
    from audiogen_jax.infer.pipeline import Pipeline

    return Pipeline.load(source, **options)


def load_tokenizer(source: str | Path = "nano", **options: Any) -> "Codec":
    """Loads an audio tokenizer (waveform <-> latents).

    Args:
      source: "nano" for the embedded one, a tokenizer folder in Hugging Face layout, the name of a
        hub repository, or a generator of any of these kinds, whose tokenizer is taken.
      **options: revision, dtype, param_dtype: see `Codec.load`.

    Raises:
      ValueError: there is no such checkpoint, or it does not hold what it should.
    """
    from audiogen_jax.infer.codec import Codec

    return Codec.load(source, **options)


def __getattr__(name: str) -> Any:
    # Classes that need jax load on first use: the command line's --help and the data workers,
    # which import this package too, stay quick and off the accelerator.
    if name in ("Clip", "Pipeline"):
        from audiogen_jax.infer import pipeline

        return getattr(pipeline, name)
    if name == "Codec":
        from audiogen_jax.infer.codec import Codec

        return Codec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
