"""Are both parts of a mixture heard? A spoken digit with an everyday sound, asked for and real."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.evaluate.judge.network import Judge
from audiogen_jax.evaluate.judge.tasks import Task
from audiogen_jax.evaluate.recordings import Recording

Samples = Float[np.ndarray, " n"]
SECONDS = 2.0
"""Length of every mixture: one window of the judge."""
PARTS = ("digits", "sounds")
LEVEL_DB = {"sfx": (-3.0, 9.0), "env": (5.0, 20.0)}
"""Range of the sound's level below the voice, events and ambience apart, as in training scenes."""
_RATE = 16000


@dataclasses.dataclass(frozen=True)
class Mixture:
    """One pair of a digit and a sound.

    Attributes:
      id: unique name, which fixes the noise.
      expected: task name -> the class that should be heard.
      prompt: asks for both.
      real: held-out recordings of both, mixed.
    """

    id: str
    expected: dict[str, str]
    prompt: StructuredCaption
    real: Samples


def mixtures(
    tasks: Sequence[Task], recordings: Sequence[Recording], count: int, seed: int
) -> list[Mixture]:
    """Pairs of held-out clips, digits and sounds in turn so that each is asked equally often.

    Args:
      tasks: those of the judge.
      recordings: real clips.
      count: how many pairs.
      seed: draws clips, phrasings, levels and onsets.

    Returns:
      The mixtures; none unless both tasks have held-out clips.
    """
    known = {task.name: task for task in tasks}
    if any(name not in known for name in PARTS):
        return []
    digits, sounds = (_held_out(known[name], recordings) for name in PARTS)
    if not digits or not sounds:
        return []
    rng = np.random.default_rng(seed)
    pairs = []
    for number in range(count):
        turn, which = divmod(number, len(digits))
        digit = list(digits)[which]
        # Shifted each turn, so that every digit meets every sound.
        sound = list(sounds)[(which + turn) % len(sounds)]
        voice, noise = (pool[rng.integers(len(pool))] for pool in (digits[digit], sounds[sound]))
        pairs.append(
            Mixture(
                f"mixtures/{number}/{digit}+{sound}",
                {"digits": digit, "sounds": sound},
                _prompt(voice, noise, rng),
                _mix(voice, noise, rng),
            )
        )
    return pairs


def evaluate_mixtures(
    wanted: Sequence[Mixture], generated: Sequence[Samples], judge: Judge
) -> dict[str, Any]:
    """How often the judge hears each part and both, in generated mixtures and in real ones.

    Args:
      wanted: what was asked for.
      generated: the audio of each.
      judge: see `train_judge`; it learned to hear real clips under others.

    Returns:
      Shares per part and of both, generated beside real, with chance.
    """
    result: dict[str, Any] = {"mixtures": len(wanted), "seconds": SECONDS}
    for source, clips in (("generated", generated), ("real", [one.real for one in wanted])):
        right = {
            part: np.array(
                [
                    answer == one.expected[part]
                    for answer, one in zip(judge.answers(part, clips), wanted, strict=True)
                ]
            )
            for part in PARTS
        }
        shares = {part: float(hits.mean()) for part, hits in right.items()}
        result[source] = {**shares, "both": float(np.logical_and(*right.values()).mean())}
    classes = {task.name: len(task.classes) for task in judge.tasks}
    result["chance"] = {
        **{part: 1 / classes[part] for part in PARTS},
        "both": 1 / (classes["digits"] * classes["sounds"]),
    }
    return result


def _held_out(task: Task, recordings: Sequence[Recording]) -> dict[str, list[Recording]]:
    clips = [clip for clip in recordings if clip.split == "val"]
    by_class = {name: [c for c in clips if task.answer(c) == name] for name in task.classes}
    return {name: found for name, found in by_class.items() if found}


def _prompt(voice: Recording, sound: Recording, rng: np.random.Generator) -> StructuredCaption:
    drawn = {
        view: str(rng.choice(texts))
        for clip in (voice, sound)
        for view, texts in clip.views.items()
        if view != "caption"
    }
    heard = drawn.get("sfx") or drawn.get("env") or str(rng.choice(sound.views["caption"]))
    said = f'{drawn.get("speech", "a voice")} saying "{drawn["asr"]}"'
    caption = f"{said} with {heard} in the background."
    return StructuredCaption(caption[0].upper() + caption[1:], **drawn)


def _mix(voice: Recording, sound: Recording, rng: np.random.Generator) -> Samples:
    length = round(SECONDS * _RATE)
    speech = voice.samples[:length]
    placed = np.zeros(length, np.float32)
    onset = int(rng.integers(length - len(speech) + 1))
    placed[onset : onset + len(speech)] = speech
    background = _loudest(sound.samples, length)
    low, high = LEVEL_DB["sfx" if "sfx" in sound.views else "env"]
    level = 10 ** (-rng.uniform(low, high) / 20)
    mixed = placed + level * _rms(speech) / max(_rms(background), 1e-9) * background
    return (0.5 * mixed / np.abs(mixed).max()).astype(np.float32)


def _loudest(samples: Samples, length: int) -> Samples:
    """The part of a clip with the most energy, or all of a shorter one, zeros behind."""
    if len(samples) <= length:
        return np.pad(samples, (0, length - len(samples)))
    energy = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    start = int(np.argmax(energy[length:] - energy[:-length]))
    return samples[start : start + length]


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples[samples != 0] if samples.any() else samples))))
