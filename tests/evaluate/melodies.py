"""Synthetic words: tones that differ in pitch."""

import numpy as np

from audiogen_jax.evaluate.judge.training import JudgeTraining
from audiogen_jax.evaluate.recordings import Recording

RATE = 16000
PITCHES = {"zero": 300.0, "one": 1000.0, "two": 3000.0}
TRAINING = JudgeTraining(steps=40, batch_size=6)
SHORT = JudgeTraining(steps=2, batch_size=3)
"""For judges that need not be right."""


def tone(word: str, seed: int) -> Recording:
    rng = np.random.default_rng(seed)
    time = np.arange(int(RATE * rng.uniform(0.4, 0.7))) / RATE
    pitch = PITCHES[word] * rng.uniform(0.95, 1.05)
    samples = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.003 * rng.normal(size=len(time))
    samples = samples.astype(np.float32)
    views = {"caption": (f'A tone says "{word}".', f"Tone {word}."), "asr": (word,)}
    split = "val" if seed % 2 else "train"
    return Recording(f"{word}{seed}", samples, RATE, split, views, word, held_out="take")


RECORDINGS = [tone(word, seed) for word in PITCHES for seed in range(16)]
