"""Do words and events sound at the times that are asked for?"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.evaluate.examples import Example, examples_of
from audiogen_jax.evaluate.judge.tasks import DIGITS, EVENTS, Task
from audiogen_jax.evaluate.metrics.onsets import (
    TOLERANCE,
    energy_onset,
    in_time,
    in_time_by_chance,
)
from audiogen_jax.evaluate.metrics.shares import share_of
from audiogen_jax.evaluate.recognisers.speech_activity import speech_activity_or_why
from audiogen_jax.evaluate.recognisers.spoken_words import SpokenWords
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suite import Context, Measurement, Model, Table
from audiogen_jax.evaluate.suites.real_mixtures import LEVEL_DB, drawn_views, mixed_caption
from audiogen_jax.evaluate.suites.reconstruction import rebuild
from audiogen_jax.input.scenes import layers
from audiogen_jax.timeline import Event, Timeline, to_json

Samples = Float[np.ndarray, " n"]
Detector = Callable[[Sequence[Samples], int], list[float | None]]
"""Clips and their rate -> when each begins to sound, seconds."""
SECONDS = (2.0, 4.0)
"""Range of the lengths of clips."""
EVENT_SECONDS = (1.0, 1.8)
LONGEST_WORD = 1.5
FORMS = ("word", "event", "word beside an event")


@dataclasses.dataclass(frozen=True)
class Timed:
    """Something that is asked for at a time.

    Attributes:
      id: unique name, which fixes the noise.
      prompt: what sounds.
      timeline: when.
      seconds: of the clip.
      asked: when what is listened for should begin, seconds.
      latest: when it could at most, so that it fits.
      real: held-out recordings laid at these times.
      clips: names of these recordings.
    """

    id: str
    prompt: StructuredCaption
    timeline: Timeline
    seconds: float
    asked: float
    latest: float
    real: Samples
    clips: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Timing:
    """Words, events and words beside an event, each at a random time of a clip.

    Attributes:
      timed: clips of each form.
    """

    timed: int = 60
    name: ClassVar[str] = "timing"
    needs_generator: ClassVar[bool] = True

    def __post_init__(self):
        if self.timed < 1:
            raise ValueError(f"timed={self.timed} must be at least 1")

    def run(self, model: Model, recordings: Sequence[Recording], context: Context) -> Measurement:
        """Shares of onsets in time, form by form; see `Suite.run`.

        Returns:
          form -> "generated", "real" (held-out recordings laid at the same times) and
          "real_rebuilt", each by detector: the share, and the median distance from the time asked
          for; and chance, of a time drawn at random.
        """
        if model.pipeline is not None and not model.pipeline.generator.timeline:
            why = "timing: nothing measured, this model was not trained with times of what sounds"
            return Measurement({"skipped": why}, {}, note=why)
        words, note = _word_detectors()
        asked = {form: timed_clips(form, recordings, self.timed, context.seed) for form in FORMS}
        asked = {form: clips for form, clips in asked.items() if clips}
        results: dict[str, dict] = {}
        examples: list[Example] = []
        for form, rows in asked.items():
            energy = {} if form == FORMS[2] else {"energy": energy_onsets}
            detectors = energy if form == "event" else energy | words
            sources = _sources(form, rows, model, context)
            results[form] = measure(rows, sources, detectors, model.codec.sample_rate)
            examples += examples_of(
                context.examples,
                [row.id for row in rows],
                {name: sources[name] for name in ("generated", "real")},
                model.codec.sample_rate,
                [row.prompt.format() for row in rows],
                lambda row, rows=rows: f"asked for at {rows[row].asked:.2f} s",
            )
        protocol = {
            **model.sampling_protocol(context),
            "seconds": SECONDS,
            "within_s": TOLERANCE,
            "not_heard_by": note,
            "prompts": {
                row.id: {
                    "prompt": row.prompt.format(),
                    "timeline": to_json(row.timeline),
                    "seconds": row.seconds,
                    "real": row.clips,
                }
                for rows in asked.values()
                for row in rows
            },
        }
        tables = [_table(results)] if results else []
        return Measurement(protocol, results, tables, note, examples)


def energy_onsets(clips: Sequence[Samples], sample_rate: int) -> list[float | None]:
    """`energy_onset` of each clip."""
    return [energy_onset(clip, sample_rate) for clip in clips]


def _word_detectors() -> tuple[dict[str, Detector], str | None]:
    """Who hears when a word begins, and who would if it were installed."""
    recogniser = SpokenWords(DIGITS)

    def by_words(clips: Sequence[Samples], sample_rate: int) -> list[float | None]:
        return [heard and heard.start for heard in recogniser.hear(clips, sample_rate)]

    detectors: dict[str, Detector] = {"PocketSphinx": by_words}
    activity, why = speech_activity_or_why()
    if activity is not None:
        detectors["Silero VAD"] = activity.onsets
    return detectors, why and f"timing: words {why}"


def timed_clips(form: str, recordings: Sequence[Recording], count: int, seed: int) -> list[Timed]:
    """Held-out clips laid at random times, each class as often as the others.

    Args:
      form: of `FORMS`.
      recordings: real clips.
      count: how many.
      seed: draws clips, phrasings, lengths and times.

    Returns:
      None unless all that sounds has held-out clips.
    """
    held_out = [clip for clip in recordings if clip.split == "val"]
    words = _by_class(Task("digits", DIGITS), held_out, LONGEST_WORD)
    events = _by_class(Task("sounds", EVENTS), held_out)
    if not (form == "event" or words) or not (form == "word" or events):
        return []
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        pools = []
        if form != "event":
            pools.append(list(words.values())[number % len(words)])
        if form != "word":
            pools.append(list(events.values())[(number + number // 10) % len(events)])
        clips = [pool[int(rng.integers(len(pool)))] for pool in pools]
        rows.append(_timed(f"timing/{form.replace(' ', '_')}/{number}", clips, rng))
    return rows


def _by_class(
    task: Task, recordings: Sequence[Recording], longest: float = np.inf
) -> dict[str, list[Recording]]:
    by_class: dict[str, list[Recording]] = {}
    for clip in recordings:
        answer = task.answer(clip)
        if answer is not None and len(clip.samples) <= longest * clip.sample_rate:
            by_class.setdefault(answer, []).append(clip)
    return by_class


def _timed(name: str, clips: Sequence[Recording], rng: np.random.Generator) -> Timed:
    rate = clips[0].sample_rate
    seconds = round(rng.uniform(*SECONDS), 2)
    length = round(seconds * rate)
    views = drawn_views(clips, rng)
    reference, mixed = np.zeros((0, 1), np.float32), np.zeros((length, 1), np.float32)
    timeline: list[Event] = []
    for clip in clips:
        word = "asr" in clip.views
        samples = clip.samples if word else _sounding(clip, rng.uniform(*EVENT_SECONDS))
        onset = int(rng.integers(length - len(samples) + 1))
        layer = np.zeros_like(mixed)
        layers.add_at(layer, layers.faded(samples[:, None], rate), onset)
        if clip is not clips[0]:
            below = rng.uniform(*LEVEL_DB["sfx"])
            layer *= np.float32(layers.gain_below(layer, reference, below, rate))
        reference, mixed = layer, mixed + layer
        end = min((onset + len(samples)) / rate, seconds)
        timeline.append(Event(onset / rate, end, "asr" if word else "sfx"))
    first = timeline[0]
    return Timed(
        name,
        StructuredCaption(mixed_caption(clips, views, rng), **views),
        tuple(timeline),
        seconds,
        first.start,
        seconds - (first.end - first.start),
        0.5 * mixed[:, 0] / np.abs(mixed).max(),
        tuple(clip.audio_id for clip in clips),
    )


def _sounding(clip: Recording, seconds: float) -> Samples:
    """A stretch of a clip from the moment on at which it begins to sound."""
    first = round((energy_onset(clip.samples, clip.sample_rate) or 0.0) * clip.sample_rate)
    return clip.samples[first : first + round(seconds * clip.sample_rate)]


def _sources(
    form: str, rows: Sequence[Timed], model: Model, context: Context
) -> dict[str, Sequence[Samples]]:
    """Generates the clips of a form; real ones beside."""
    generated = model.generate(
        [row.prompt for row in rows],
        [row.id for row in rows],
        context,
        form,
        [row.seconds for row in rows],
        [row.timeline for row in rows],
    )
    return {
        "generated": generated,
        "real": [row.real for row in rows],
        "real_rebuilt": [rebuild(model.codec, row.real) for row in rows],
    }


def measure(
    rows: Sequence[Timed],
    sources: Mapping[str, Sequence[Samples]],
    detectors: Mapping[str, Detector],
    sample_rate: int,
) -> dict[str, object]:
    """Detects onsets in the clips of a form; see `Timing.run`."""
    asked = [row.asked for row in rows]
    result: dict[str, dict[str, dict]] = {}
    for source, clips in sources.items():
        result[source] = {}
        for detector, onsets_of in detectors.items():
            onsets = onsets_of(clips, sample_rate)
            distances = [
                abs(on - at) for on, at in zip(onsets, asked, strict=True) if on is not None
            ]
            result[source][detector] = {
                "in_time": share_of(sum(in_time(onsets, asked)), len(rows)),
                "median_distance_s": float(np.median(distances)) if distances else None,
                "nothing_heard": onsets.count(None),
            }
    chances = [in_time_by_chance(row.asked, row.latest) for row in rows]
    return {**result, "chance": float(np.mean(chances))}


def _table(results: Mapping[str, Mapping]) -> Table:
    rows = []
    for form, result in results.items():
        for detector, heard in result["generated"].items():
            share = heard["in_time"]
            real = (
                result[source][detector]["in_time"].share for source in ("real", "real_rebuilt")
            )
            rows.append([form, detector, *share[:3], *real, result["chance"]])
    columns = ["asked for", "by", "generated", "low", "high", "real", "rebuilt", "chance"]
    return Table(f"Begins within {TOLERANCE:g} s of the time asked for", columns, rows)
