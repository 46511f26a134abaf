"""Noisy speech of held-out speakers, cleaned: the task of the tokenizer's paper, by an editor."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.progress import track

from audiogen_jax.edit_kinds import STEMS
from audiogen_jax.evaluate.examples import examples_of
from audiogen_jax.evaluate.metrics.intelligibility import pesq_wb, stoi
from audiogen_jax.evaluate.metrics.means import mean_of
from audiogen_jax.evaluate.recognisers.speech_quality import SpeechRatings
from audiogen_jax.evaluate.recognisers.wheel_weights import NotInstalledError
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suite import Context, Measurement, Model, Table
from audiogen_jax.evaluate.suites.edit_pairs import gated
from audiogen_jax.evaluate.suites.editing import LIMITS_DB, floored_si_sdr
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.separation import separate
from audiogen_jax.input.scenes import layers
from audiogen_jax.models.prompting import Sound

Samples = Float[np.ndarray, " n"]
OF_SILENCE = {"pesq_wb": 1.0, "stoi": 0.0, "si_sdr_db": LIMITS_DB[0]}
"""What a clip gets in which nothing is left of the voice."""
SNR_DB = (0.0, 5.0, 10.0)
"""Of the voice above the noise, in turn."""
RATED = 12
"""Clips of each system that DNSMOS rates, evenly of all: three seconds of a core each."""
SECONDS = (1.5, 5.0)
"""Shortest sentence that is taken, and how much of longer ones."""


@dataclasses.dataclass(frozen=True)
class Noisy:
    """A sentence in noise.

    Attributes:
      id: unique name, which fixes the noise of the edit.
      clean, noise: that sum to `mixture`.
      snr: decibels.
      clips: names of the recordings.
    """

    id: str
    clean: Samples
    noise: Samples
    snr: float
    clips: tuple[str, str]

    @property
    def mixture(self) -> Samples:
        return self.clean + self.noise


@dataclasses.dataclass(frozen=True)
class Enhancement:
    """Sentences of held-out speakers in held-out noises.

    Attributes:
      noisy: how many.
    """

    noisy: int = 42
    name: ClassVar[str] = "enhancement"
    needs_generator: ClassVar[bool] = True

    def __post_init__(self):
        if self.noisy < 1:
            raise ValueError(f"noisy={self.noisy} must be at least 1")

    def run(self, model: Model, recordings: Sequence[Recording], context: Context) -> Measurement:
        """PESQ, STOI, SI-SDR and DNSMOS of the voice, by system; see `Suite.run`.

        Returns:
          system -> metric -> mean with its interval. Systems: "extracted" by the model, "noisy" as
          it is, "spectral gating", "masks of the true stems", the ceiling, and "clean".
        """
        pipeline = model.pipeline
        if pipeline is None or not pipeline.edits:
            why = "enhancement: nothing measured, this model edits nothing by instruction"
            return Measurement({"skipped": why}, {}, note=why)
        rows = noisy_speech(recordings, self.noisy, context.seed)
        if not rows:
            why = "enhancement: nothing measured, there is no held-out sentence or noise"
            return Measurement({"skipped": why}, {}, note=why)
        rate = model.codec.sample_rate
        options = None if context.options == SamplingOptions() else context.options
        what = STEMS["voice"]
        bar = track(rows, "enhancing", console=Console(stderr=True), transient=True)
        extracted = [
            pipeline.edit(
                "extract",
                Sound(row.mixture, rate),
                what=what,
                seed=context.seed,
                options=options,
                id=row.id,
            ).audio
            for row in bar
        ]
        systems = {
            "extracted": extracted,
            "noisy": [row.mixture for row in rows],
            "spectral gating": [gated(row.mixture) for row in rows],
            "masks of the true stems": [_by_true_stems(row, rate) for row in rows],
            "clean": [row.clean for row in rows],
        }
        results, note = _scores(rows, systems, rate)
        protocol = {
            "sampling": dataclasses.asdict(options or pipeline.editing_options("extract")),
            "what": what,
            "rows": {row.id: {"clips": row.clips, "snr_db": row.snr} for row in rows},
        }
        examples = examples_of(
            context.examples,
            [row.id for row in rows],
            {name: systems[name] for name in ("noisy", "extracted", "clean")},
            rate,
            [what] * len(rows),
            lambda row: f"voice {rows[row].snr:g} dB above the noise",
        )
        return Measurement(protocol, results, [_table(results)], note, examples)


def noisy_speech(recordings: Sequence[Recording], count: int, seed: int) -> list[Noisy]:
    """Sentences of speakers that training never heard, in held-out ambience and sounds.

    Args:
      recordings: real clips.
      count: how many.
      seed: draws noises and where they are cut.
    """
    held_out = [clip for clip in recordings if clip.split == "val"]
    voices = [
        clip
        for clip in held_out
        if "asr" in clip.views
        and clip.held_out == "speaker"
        and len(clip.samples) >= SECONDS[0] * clip.sample_rate
    ]
    noises = [
        clip
        for clip in held_out
        if {"sfx", "env"} & clip.views.keys() and len(clip.samples) >= clip.sample_rate
    ]
    if not voices or not noises:
        return []
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        voice = voices[number % len(voices)]
        noise = noises[int(rng.integers(len(noises)))]
        rate, snr = voice.sample_rate, SNR_DB[number // len(voices) % len(SNR_DB)]
        clean = voice.samples[: round(SECONDS[1] * rate)].astype(np.float32)
        clean = clean * np.float32(0.3 / np.abs(clean).max())
        first = int(rng.integers(len(noise.samples)))
        stretch = np.resize(np.roll(noise.samples, -first), len(clean)).astype(np.float32)
        gain = layers.gain_below(stretch[:, None], clean[:, None], snr, rate)
        names = voice.audio_id, noise.audio_id
        scaled = stretch * np.float32(gain)
        rows.append(Noisy(f"enhancement/{number}", clean, scaled, snr, names))
    return rows


def _by_true_stems(row: Noisy, rate: int) -> Samples:
    return separate(row.mixture[:, None], rate, [row.clean, row.noise], rate)[0][:, 0]


def _scores(
    rows: Sequence[Noisy], systems: Mapping[str, Sequence[Samples]], rate: int
) -> tuple[dict[str, dict], str | None]:
    metrics: dict[str, Callable[[Samples, Samples], float | None]] = {
        "pesq_wb": partial(pesq_wb, sample_rate=rate),
        "stoi": partial(stoi, sample_rate=rate),
        "si_sdr_db": floored_si_sdr,
    }
    ratings, note = None, None
    try:
        ratings = SpeechRatings()
    except NotInstalledError as error:
        note = f"enhancement: DNSMOS: {error}"
    results: dict[str, dict] = {}
    for system, clips in systems.items():
        pairs = list(zip(rows, clips, strict=True))
        scores = {}
        for name, metric in metrics.items():
            values = [
                metric(row.clean, clip) if np.any(clip) else OF_SILENCE[name] for row, clip in pairs
            ]
            scores[name] = mean_of([value for value in values if value is not None])
        if ratings is not None:
            chosen = np.unique(np.linspace(0, len(clips) - 1, RATED).round().astype(int))
            rated = ratings.rate([clips[row] for row in chosen], rate)
            scores["dnsmos"] = mean_of([rating.overall for rating in rated])
        results[system] = scores
    return results, note


def _table(results: Mapping[str, Mapping]) -> Table:
    names = list(next(iter(results.values())))
    rows: list[list[str | float | None]] = []
    for system, scores in results.items():
        row: list[str | float | None] = [system]
        for name in names:
            row += [None] * 3 if scores[name] is None else list(scores[name][:3])
        rows.append(row)
    columns = ["system", *(column for name in names for column in (name, "low", "high"))]
    return Table("Noisy speech of held-out speakers", columns, rows)
