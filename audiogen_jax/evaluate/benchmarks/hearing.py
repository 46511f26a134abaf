"""What networks hear in clips: each file is read once, and each clip is heard alone."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from audiogen_jax.evaluate.benchmarks.benchmark import Benchmark
from audiogen_jax.evaluate.benchmarks.clip_files import ClipFile
from audiogen_jax.evaluate.embedders.embedder import Classifier, Embedder, Embeddings
from audiogen_jax.files.audio import SILENCE, convert, read_audio


@dataclasses.dataclass(frozen=True)
class Heard:
    """What was heard of some clips, in their order.

    Attributes:
      clip_ids: of the clips.
      embeddings: by the name of the embedder.
      logits: by the name of the classifier.
      seconds: of each file, before it was cut.
      rates: Hz of each file.
      silent: ids of clips that hold nothing over -100 dBFS.
      sounds: hash of the samples of each, as they are heard.
    """

    clip_ids: tuple[str, ...]
    embeddings: Mapping[str, Embeddings]
    logits: Mapping[str, Float[np.ndarray, "n k"]]
    seconds: tuple[float, ...]
    rates: tuple[int, ...]
    silent: tuple[str, ...]
    sounds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.clip_ids)

    def select(self, rows: Sequence[int]) -> "Heard":
        """Those of some rows."""
        taken = np.asarray(rows, int)
        names = tuple(self.clip_ids[row] for row in rows)
        return Heard(
            names,
            {name: values[taken] for name, values in self.embeddings.items()},
            {name: values[taken] for name, values in self.logits.items()},
            tuple(self.seconds[row] for row in rows),
            tuple(self.rates[row] for row in rows),
            tuple(name for name in names if name in set(self.silent)),
            tuple(self.sounds[row] for row in rows),
        )


def read_clip(clip: ClipFile, benchmark: Benchmark) -> tuple[Float[np.ndarray, " n"], float, int]:
    """A clip as the benchmark hears it: mono, at its rate, cut to its length.

    Returns:
      The samples; seconds and rate (Hz) of the file.

    Raises:
      OSError, ValueError: see `read_audio`.
    """
    audio = read_audio(clip.path)
    seconds = len(audio.samples) / audio.sample_rate
    converted, _ = convert(
        audio.samples, audio.sample_rate, benchmark.sample_rate, name=str(clip.path)
    )
    samples = converted[:, 0]
    if benchmark.seconds is not None:
        samples = samples[: round(benchmark.seconds * benchmark.sample_rate)]
    return samples, seconds, audio.sample_rate


def hear(
    clips: Sequence[ClipFile],
    benchmark: Benchmark,
    embedders: Mapping[str, Embedder],
    advance: Callable[[], None] = lambda: None,
) -> Heard:
    """Lets every embedder hear every clip.

    Args:
      clips: files.
      benchmark: how they are read.
      embedders: by name; those that are a `Classifier` give logits too.
      advance: called after each clip.

    Raises:
      OSError, ValueError: a file cannot be read, an embedder cannot hear it, or says NaN of it.
    """
    classifiers = {name: e for name, e in embedders.items() if isinstance(e, Classifier)}
    embedded: dict[str, list[np.ndarray]] = {name: [] for name in embedders}
    logits: dict[str, list[np.ndarray]] = {name: [] for name in classifiers}
    seconds, rates, silent, sounds = [], [], [], []
    for clip in clips:
        samples, length, rate = read_clip(clip, benchmark)
        seconds.append(length)
        rates.append(rate)
        sounds.append(hashlib.sha256(np.ascontiguousarray(samples).tobytes()).hexdigest())
        if np.abs(samples).max() < SILENCE:
            silent.append(clip.clip_id)
        try:
            for name, each in embedders.items():
                (values,) = each.embed([samples], benchmark.sample_rate).values
                embedded[name].append(_finite(values, name))
            for name, classifier in classifiers.items():
                (values,) = classifier.logits([samples], benchmark.sample_rate)
                logits[name].append(_finite(values, name))
        except ValueError as error:
            raise ValueError(f"{clip.path}: {error}") from error
        advance()
    return Heard(
        tuple(clip.clip_id for clip in clips),
        {
            name: Embeddings(np.stack(embedded[name]), each.identity)
            for name, each in embedders.items()
        },
        {name: np.stack(values) for name, values in logits.items()},
        tuple(seconds),
        tuple(rates),
        tuple(silent),
        tuple(sounds),
    )


def _finite(values: Float[np.ndarray, " d"], name: str) -> Float[np.ndarray, " d"]:
    if not np.isfinite(values).all():
        raise ValueError(f"what {name} hears holds NaN or infinite values")
    return np.asarray(values)
