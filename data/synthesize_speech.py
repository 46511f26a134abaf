"""Speaks digits, command words and short phrases with eSpeak NG, to widen the speech set.

    python -m data.synthesize_speech --out synthetic     # needs: apt-get install espeak-ng

Clips are marked `"synthetic": true` and captioned as synthetic voices. Voices, not clips, are held
out for validation. Equal versions of eSpeak NG give equal clips.
"""

import argparse
import dataclasses
import hashlib
import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from jaxtyping import Float

from audiogen_jax.files.audio import write_audio
from audiogen_jax.files.jsonl import write_rows
from data import SAMPLE_RATE
from data.build_manifest import summary
from data.splits import check_no_leak
from data.views import word_views

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COMMANDS = (
    *("backward", "bed", "bird", "cat", "dog", "down", "follow", "forward", "go", "happy"),
    *("house", "learn", "left", "marvin", "no", "off", "on", "right", "sheila", "stop"),
    *("tree", "up", "visual", "wow", "yes"),
)
PHRASES = (
    *("hello", "goodbye", "thank you", "please wait", "good morning", "good night"),
    *("open the door", "turn it off", "come here", "be careful"),
)
PEAK = 0.5
EDGE_SECONDS = 0.05
"""Kept before and after the voice."""
SILENCE = 1e-3
"""Peak of what is cut at both ends."""


@dataclasses.dataclass(frozen=True)
class Voice:
    """One speaking voice: an eSpeak NG voice variant, words per minute, and pitch 0..99."""

    name: str
    gender: str
    speed: int
    pitch: int
    split: str = "train"


VOICES = (
    Voice("en-us+m1", "male", 140, 40),
    Voice("en-us+m2", "male", 170, 35),
    Voice("en-us+m3", "male", 120, 50),
    Voice("en-gb+m7", "male", 150, 45),
    Voice("en-gb-scotland+m4", "male", 160, 30),
    Voice("en-029+m5", "male", 130, 55),
    Voice("en-us+f1", "female", 140, 60),
    Voice("en-us+f2", "female", 170, 50),
    Voice("en-us+f4", "female", 120, 65),
    Voice("en-gb+f3", "female", 150, 55),
    Voice("en-gb-x-rp+f5", "female", 160, 70),
    Voice("en-gb+m6", "male", 145, 42, "val"),
    Voice("en-us+f3", "female", 145, 58, "val"),
)


def speak(text: str, voice: Voice) -> Float[np.ndarray, " n"]:
    """Speaks `text`: float32 [n] at `SAMPLE_RATE`, ends trimmed, peak `PEAK`.

    Raises:
      FileNotFoundError: eSpeak NG is not installed.
      ValueError: eSpeak NG failed or stayed silent.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise FileNotFoundError("espeak-ng is not installed: apt-get install espeak-ng")
    command = [program, "-v", voice.name, "-s", str(voice.speed), "-p", str(voice.pitch)]
    result = subprocess.run([*command, "--stdout", text], capture_output=True, check=False)
    if result.returncode != 0 or not result.stdout:
        reason = result.stderr.decode(errors="replace").strip()
        raise ValueError(f"espeak-ng could not say {text!r} with voice {voice.name!r}: {reason}")
    samples, rate = soundfile.read(io.BytesIO(result.stdout), dtype="float32")
    samples = soxr.resample(samples, rate, SAMPLE_RATE, quality="VHQ")
    loud = np.flatnonzero(np.abs(samples) > SILENCE)
    if loud.size == 0:
        raise ValueError(f"espeak-ng was silent on {text!r} with voice {voice.name!r}")
    edge = int(EDGE_SECONDS * SAMPLE_RATE)
    samples = samples[max(0, loud[0] - edge) : loud[-1] + edge]
    return (samples * (PEAK / np.abs(samples).max())).astype(np.float32)


def synthesize(
    out: Path,
    texts: tuple[str, ...] = DIGITS + COMMANDS + PHRASES,
    voices: tuple[Voice, ...] = VOICES,
) -> list[dict[str, Any]]:
    """Writes every text in every voice under `out`, and `out/synthetic.jsonl`; returns its rows."""
    rows = []
    for voice in voices:
        for text in texts:
            name = re.sub(r"\W+", "_", text)
            path = f"{voice.name.replace('+', '_')}/{name}.flac"
            samples = speak(text, voice)
            write_audio(out / path, samples, SAMPLE_RATE)
            rows.append(
                {
                    "audio_id": f"synthetic/{voice.name}/{name}",
                    "path": path,
                    "duration": round(len(samples) / SAMPLE_RATE, 4),
                    "sample_rate": SAMPLE_RATE,
                    **word_views(text, voice.gender, synthetic=True),
                    "category": "S00",
                    "label": text,
                    "split": voice.split,
                    **({"held_out": "speaker"} if voice.split == "val" else {}),
                    "recording": f"synthetic:{path}",
                    "speaker": f"synthetic:{voice.name}",
                    "source": "synthetic",
                    "synthetic": True,
                    "license": "CC0-1.0",
                    "author": f"eSpeak NG, voice {voice.name}, speed {voice.speed}, "
                    f"pitch {voice.pitch}",
                    "title": text,
                    "source_url": "https://github.com/espeak-ng/espeak-ng",
                    "sha256": hashlib.sha256((out / path).read_bytes()).hexdigest(),
                }
            )
    check_no_leak(rows)
    write_rows(out / "synthetic.jsonl", rows)
    return rows


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.synthesize_speech", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of clips and manifest")
    args = parser.parse_args(argv)
    try:
        rows = synthesize(args.out)
    except (ValueError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    print(f"{args.out / 'synthetic.jsonl'}: {summary(rows)}")


if __name__ == "__main__":
    main()
