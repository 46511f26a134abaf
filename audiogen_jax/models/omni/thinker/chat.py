"""Conversations as the thinker was trained on them: turns between special reader."""

from collections.abc import Sequence

from audiogen_jax.models.language_model import TextReader
from audiogen_jax.models.omni.thinker.inputs import Part, Pictures, Sound

SYSTEM = (
    "You are Qwen, a virtual human developed by the Qwen Team, Alibaba Group, capable of "
    "perceiving auditory and visual inputs, as well as generating text and speech."
)
"""What the release says to the model before a question; its answers are worse without."""
START, END = "<|im_start|>", "<|im_end|>"


def chat(
    reader: TextReader, user: Sequence[str | Sound | Pictures], system: str = SYSTEM
) -> list[Part]:
    """One question, up to where the answer begins.

    Args:
      reader: of the checkpoint.
      user: what the user says and shows, in its order.
      system: what the model is told before.
    """
    start, end = reader.special(START), reader.special(END)
    turns: list[str | int | Sound | Pictures] = [start, f"system\n{system}", end, "\n"]
    turns += [start, "user\n", *user, end, "\n", start, "assistant\n"]
    parts: list[Part] = []
    text = ""
    for turn in turns:
        if isinstance(turn, str):
            text += turn  # pieces of text are encoded together
            continue
        if text:
            parts.append(reader.encode(text))
            text = ""
        parts.append([turn] if isinstance(turn, int) else turn)
    return [*parts, reader.encode(text)]
