"""Held-out recordings mixed as scenes are, with prompts that ask for the same."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.evaluate.judge.tasks import AMBIENCE, EVENTS, MUSIC, Task
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.input.scenes.captions import enumeration

Samples = Float[np.ndarray, " n"]
HeldOut = Mapping[str, Mapping[str, Sequence[Recording]]]
"""What can sound -> class -> held-out recordings."""
SECONDS = 2.0
"""Length of every mixture: one window of the judge."""
LEVEL_DB = {"sfx": (-3.0, 9.0), "music": (3.0, 15.0), "env": (5.0, 20.0)}
"""Range of a sound's level below the voice, by its view, as in training scenes."""
KINDS: Mapping[str, Sequence[Sequence[str]]] = {
    "digit and sound": (("digits", "sounds"),),
    "word and music": (("words", "music"),),
    "digit and ambience": (("digits", "ambience"),),
    "three parts": (
        ("digits", "events", "music"),
        ("words", "events", "ambience"),
        ("words", "events", "music"),
        ("digits", "events", "ambience"),
    ),
}
"""Kind of mixture -> the forms that it has in turn: what sounds in each, the voice first."""


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Sounds that are asked for at once.

    Attributes:
      id: unique name, which fixes the noise.
      expected: what sounds, as in `KINDS` -> the class that should be heard.
      prompt: asks for all of them.
      real: held-out recordings of them, mixed.
      clips: names of these recordings.
    """

    id: str
    expected: dict[str, str]
    prompt: StructuredCaption
    real: Samples
    clips: tuple[str, ...]


def held_out_parts(tasks: Sequence[Task], recordings: Sequence[Recording]) -> HeldOut:
    """Held-out clips by what sounds, as in `KINDS`, and by class; what has none is left out.

    Args:
      tasks: of the judge of the foreground.
      recordings: real clips.
    """
    parts = {task.name: task for task in tasks}
    if "sounds" in parts:
        parts["events"] = Task("sounds", EVENTS)
    parts["ambience"] = Task("background", tuple(sorted(set(AMBIENCE.values()))))
    parts["music"] = Task("background", (MUSIC,))
    clips = [clip for clip in recordings if clip.split == "val"]
    held_out: dict[str, dict[str, list[Recording]]] = {}
    for part, task in parts.items():
        by_class = {name: [c for c in clips if task.answer(c) == name] for name in task.classes}
        if any(by_class.values()):
            held_out[part] = {name: found for name, found in by_class.items() if found}
    return held_out


def mixtures(kind: str, held_out: HeldOut, count: int, seed: int) -> list[Mixture]:
    """Mixtures of held-out clips, the voice's classes in turn so that each is asked equally often.

    Args:
      kind: of `KINDS`.
      held_out: see `held_out_parts`.
      count: how many.
      seed: draws clips, phrasings, levels and onsets.

    Returns:
      The mixtures; none unless all that should sound has held-out clips.
    """
    forms = KINDS[kind]
    if not all(part in held_out for form in forms for part in form):
        return []
    rng = np.random.default_rng(seed)
    mixed = []
    for number in range(count):
        turn, form = divmod(number, len(forms))
        expected = _classes(forms[form], held_out, turn)
        pools = [held_out[part][name] for part, name in expected.items()]
        clips = [pool[int(rng.integers(len(pool)))] for pool in pools]
        name = f"{kind.replace(' ', '_')}/{number}/{'+'.join(expected.values())}"
        views = drawn_views(clips, rng)
        prompt = StructuredCaption(mixed_caption(clips, views, rng), **views)
        real = mix(clips, SECONDS, rng)
        mixed.append(Mixture(name, expected, prompt, real, tuple(clip.audio_id for clip in clips)))
    return mixed


def _classes(form: Sequence[str], held_out: HeldOut, number: int) -> dict[str, str]:
    """One class of each that sounds; shifted each turn, so that every voice meets every sound."""
    voice, *others = form
    turn, column = divmod(number, len(held_out[voice]))
    expected = {voice: list(held_out[voice])[column]}
    for part in others:
        names = list(held_out[part])
        expected[part] = names[(column + turn) % len(names)]
        turn = 2 * turn + number  # the next one at another pace
    return expected


def drawn_views(clips: Sequence[Recording], rng: np.random.Generator) -> dict[str, str]:
    """The views of clips that sound together but their captions, a phrasing of each."""
    return {
        view: str(rng.choice(texts))
        for clip in clips
        for view, texts in clip.views.items()
        if view != "caption"
    }


def mixed_caption(
    clips: Sequence[Recording], views: Mapping[str, str], rng: np.random.Generator
) -> str:
    """A sentence about clips that sound together, the voice first if there is one.

    Args:
      clips: that sound.
      views: theirs, see `drawn_views`.
      rng: draws captions of clips without a view that says what sounds.
    """
    said, heard = None, []
    for clip in clips:
        if "asr" in clip.views:
            said = f'{views.get("speech", "a voice")} saying "{views["asr"]}"'
        elif view := next((view for view in ("sfx", "music", "env") if view in clip.views), None):
            # Beside other sounds the caption names the music without its tempo and key.
            heard.append(views[view].split(",")[0] if view == "music" else views[view])
        else:
            heard.append(str(rng.choice(clip.views["caption"])))
    caption = enumeration(heard) if heard else ""
    if said:
        caption = f"{said} with {caption} in the background" if caption else said
    return f"{caption[0].upper()}{caption[1:]}."


def mix(clips: Sequence[Recording], seconds: float, rng: np.random.Generator) -> Samples:
    """A voice at a random time, with the loudest stretch of other clips behind it.

    Args:
      clips: the voice first.
      seconds: of the mixture.
      rng: draws the onset and the levels, see `LEVEL_DB`.
    """
    voice, *sounds = clips
    length = round(seconds * voice.sample_rate)
    speech = voice.samples[:length]
    mixed = np.zeros(length, np.float32)
    onset = int(rng.integers(length - len(speech) + 1))
    mixed[onset : onset + len(speech)] = speech
    for sound in sounds:
        background = _loudest(sound.samples, length)
        view = next((view for view in ("sfx", "music") if view in sound.views), "env")
        level = 10 ** (-rng.uniform(*LEVEL_DB[view]) / 20)
        mixed = mixed + level * _rms(speech) / max(_rms(background), 1e-9) * background
    return (0.5 * mixed / np.abs(mixed).max()).astype(np.float32)


def _loudest(samples: Samples, length: int) -> Samples:
    """The stretch of a clip with the most energy, or all of a shorter one, zeros behind."""
    if len(samples) <= length:
        return np.pad(samples, (0, length - len(samples)))
    energy = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    start = int(np.argmax(energy[length:] - energy[:-length]))
    return samples[start : start + length]


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples[samples != 0] if samples.any() else samples))))
