"""What networks say of clips: the lists of transcripts and scores that nobody has given."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from audiogen_jax.evaluate.benchmarks.benchmark import Benchmark
from audiogen_jax.evaluate.benchmarks.clip_files import ClipFile, sound_sha256
from audiogen_jax.evaluate.benchmarks.hearing import read_clip
from audiogen_jax.evaluate.benchmarks.options import SuiteOptions
from audiogen_jax.evaluate.benchmarks.table import benchmark
from audiogen_jax.evaluate.embedders.embedder import Embedder
from audiogen_jax.evaluate.embedders.registry import embedder
from audiogen_jax.evaluate.recognisers.transcriber import Transcriber, transcriber
from audiogen_jax.files.jsonl import write_rows

Networks: TypeAlias = Mapping[str, Embedder | Transcriber]
"""By what the options call them."""


def load_networks(options: SuiteOptions) -> Networks:
    """The networks that options name, as in "whisper=FOLDER", where lists may stand.

    Raises:
      OSError, ValueError: see `transcriber` and `embedder`.
    """
    networks: dict[str, Embedder | Transcriber] = {}
    if options.transcripts is not None and _is_network(options.transcripts):
        networks[options.transcripts] = transcriber(options.transcripts)
    return networks | {name: embedder(name) for name in options.scores if _is_network(name)}


def without_networks(options: SuiteOptions) -> SuiteOptions:
    """The options with the lists alone."""
    transcripts = options.transcripts
    return dataclasses.replace(
        options,
        transcripts=None if transcripts is None or _is_network(transcripts) else transcripts,
        scores=tuple(name for name in options.scores if not _is_network(name)),
    )


def with_answers(
    options: SuiteOptions,
    networks: Networks,
    clips: Sequence[ClipFile],
    report: Path,
    advance: Callable[[], None],
) -> SuiteOptions:
    """Asks each network of each clip, as the benchmark hears it, and writes its answers.

    Args:
      options: that name the networks.
      networks: from `load_networks`.
      clips: files.
      report: of the suite; the lists get its name and the kind of the network.
      advance: called after each clip that a network has heard.

    Returns:
      The options with lists in the place of networks; their rows hold the networks' identities
      and hashes of the sounds, by which `check_sounds` knows lists of other clips.

    Raises:
      OSError, ValueError: a file cannot be read or heard, or a network gives several values.
    """
    paths = {}
    for name, network in networks.items():
        kind, _, weights = name.partition("=")
        about = {"model": Path(weights).name, "identity": dataclasses.asdict(network.identity)}
        rows = []
        for clip in clips:
            answer = _answer(kind, network, clip, benchmark(options.suite))
            sound = {"sound_sha256": sound_sha256(clip.path)}
            rows.append({"audio_id": clip.clip_id, **answer, **about, **sound})
            advance()
        paths[name] = str(report.with_name(f"{report.stem}_{kind}.jsonl"))
        write_rows(paths[name], rows)
    return dataclasses.replace(
        options,
        transcripts=paths.get(options.transcripts or "", options.transcripts),
        scores=tuple(paths.get(name, name) for name in options.scores),
    )


def _answer(
    kind: str, network: Embedder | Transcriber, clip: ClipFile, row: Benchmark
) -> dict[str, str | float]:
    samples = read_clip(clip, row)[0]
    try:
        if isinstance(network, Transcriber):
            (text,) = network.transcribe([samples], row.sample_rate)
            return {"text": text}
        (values,) = network.embed([samples], row.sample_rate).values
        if len(values) != 1:
            raise ValueError(f"{kind} gives {len(values)} values: a score is one")
        return {kind: float(values[0])}
    except ValueError as error:
        raise ValueError(f"{clip.path}: {error}") from error


def _is_network(name: str) -> bool:
    return "=" in name and not Path(name).exists()
