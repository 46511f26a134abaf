"""Are both sounds of a mixture heard? A spoken digit with an everyday sound, asked for and real."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.evaluate.judge.cache import cached_judge
from audiogen_jax.evaluate.judge.network import Judge
from audiogen_jax.evaluate.judge.tasks import DIGITS, Task
from audiogen_jax.evaluate.judge.training import JudgeTraining
from audiogen_jax.evaluate.recognisers.spoken_words import SpokenWords
from audiogen_jax.evaluate.recordings import Recording
from audiogen_jax.evaluate.suite import Context, Measurement, Model, Table

Samples = Float[np.ndarray, " n"]
SECONDS = 2.0
"""Length of every mixture: one window of the judge."""
TASKS = ("digits", "sounds")
LEVEL_DB = {"sfx": (-3.0, 9.0), "env": (5.0, 20.0)}
"""Range of the sound's level below the voice, events and ambience apart, as in training scenes."""


@dataclasses.dataclass(frozen=True)
class NanoMixtures:
    """A digit and a sound are asked for together, and listened for by the judge.

    Attributes:
      pairs: mixtures to generate.
      judge: how the judge is trained.
    """

    pairs: int = 100
    judge: JudgeTraining = JudgeTraining()
    name: ClassVar[str] = "mixtures"
    needs_generator: ClassVar[bool] = True

    def __post_init__(self):
        if self.pairs < 1:
            raise ValueError(f"pairs={self.pairs} must be at least 1")

    def run(self, model: Model, recordings: Sequence[Recording], context: Context) -> Measurement:
        """Generates and counts; no results without held-out clips of both. See `Suite.run`."""
        judge = cached_judge(recordings, context.cache, self.judge)
        asked = mixtures(judge.tasks, recordings, self.pairs, context.seed)
        protocol = {
            **context.sampling_protocol(),
            "seconds": SECONDS,
            "sound_below_voice_db": LEVEL_DB,
            "prompts": {mixture.id: mixture.prompt.format() for mixture in asked},
        }
        if not asked:
            return Measurement(protocol, {})
        prompts, ids = [mixture.prompt for mixture in asked], [mixture.id for mixture in asked]
        generated = model.generate(prompts, ids, context, self.name, SECONDS)
        rate = model.codec.sample_rate
        shares = evaluate_mixtures(asked, generated, judge, rate)
        recogniser = SpokenWords(DIGITS)
        for source, clips in (("generated", generated), ("real", [mix.real for mix in asked])):
            answers = recogniser.answers(clips, rate)
            right = [
                answer == mix.expected["digits"] for answer, mix in zip(answers, asked, strict=True)
            ]
            shares[source]["digits, PocketSphinx"] = float(np.mean(right))
        shares["chance"]["digits, PocketSphinx"] = 1 / len(DIGITS)
        results = {"mixtures": len(asked), "seconds": SECONDS, **shares}
        return Measurement(protocol, results, [_table(shares)])


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
    by_name = {task.name: task for task in tasks}
    if any(name not in by_name for name in TASKS):
        return []
    digits, sounds = (_held_out(by_name[name], recordings) for name in TASKS)
    if not digits or not sounds:
        return []
    rng = np.random.default_rng(seed)
    pairs = []
    for number in range(count):
        turn, column = divmod(number, len(digits))
        digit = list(digits)[column]
        # Shifted each turn, so that every digit meets every sound.
        sound = list(sounds)[(column + turn) % len(sounds)]
        voice, noise = (clips[rng.integers(len(clips))] for clips in (digits[digit], sounds[sound]))
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
    asked: Sequence[Mixture], generated: Sequence[Samples], judge: Judge, sample_rate: int
) -> dict[str, dict[str, float]]:
    """How often the judge hears each sound and both, in generated mixtures and in real ones.

    Args:
      asked: the mixtures.
      generated: the audio of each.
      judge: see `train_judge`; it learned to hear real clips under others.
      sample_rate: of all audio, Hz.

    Returns:
      Shares per task and of both, generated beside real, with chance.
    """
    result: dict[str, dict[str, float]] = {}
    for source, clips in (("generated", generated), ("real", [mix.real for mix in asked])):
        right = {
            task: np.array(
                [
                    answer == mix.expected[task]
                    for answer, mix in zip(
                        judge.answers(task, clips, sample_rate), asked, strict=True
                    )
                ]
            )
            for task in TASKS
        }
        shares = {task: float(hits.mean()) for task, hits in right.items()}
        result[source] = {**shares, "both": float(np.logical_and(*right.values()).mean())}
    classes = {task.name: len(task.classes) for task in judge.tasks}
    result["chance"] = {
        **{task: 1 / classes[task] for task in TASKS},
        "both": 1 / (classes["digits"] * classes["sounds"]),
    }
    return result


def _table(shares: Mapping[str, Mapping[str, float]]) -> Table:
    rows = [[task, *(share[task] for share in shares.values())] for task in shares["chance"]]
    return Table("Digit and sound at once", ["heard", *shares], rows)


def _held_out(task: Task, recordings: Sequence[Recording]) -> dict[str, list[Recording]]:
    clips = [clip for clip in recordings if clip.split == "val"]
    by_class = {name: [c for c in clips if task.answer(c) == name] for name in task.classes}
    return {name: held_out for name, held_out in by_class.items() if held_out}


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
    length = round(SECONDS * voice.sample_rate)
    speech = voice.samples[:length]
    mixed = np.zeros(length, np.float32)
    onset = int(rng.integers(length - len(speech) + 1))
    mixed[onset : onset + len(speech)] = speech
    background = _loudest(sound.samples, length)
    low, high = LEVEL_DB["sfx" if "sfx" in sound.views else "env"]
    level = 10 ** (-rng.uniform(low, high) / 20)
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
