"""What the thinker is told for each task: who it is, and what is wanted.

The release has its own wording of these, whose meaning is followed here. A checkpoint folder may
hold another wording, as `instructions.json`: {"sound": {"system": "…", "user": "{text}."}, …}.
"""

import string
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from audiogen_jax.files.json_object import read_object

FILE = "instructions.json"


class Instruction(NamedTuple):
    """A wording; {text}, {what} and {to} stand for what is asked."""

    system: str
    user: str


_EDITOR = "You are a sound engineer who edits recordings exactly as you are asked."
INSTRUCTIONS: Mapping[str, Instruction] = {
    "sound": Instruction(
        "You are a professional sound designer. Make one high-fidelity recording in which the "
        "described sounds are heard.",
        "{text}.",
    ),
    "music": Instruction(
        "You are a versatile composer and producer. Make an original piece of music that fits the "
        "description, with care for melody, harmony, rhythm and instrumentation.",
        "{text}.",
    ),
    # The words themselves stand in the transcript, which the thinker does not see.
    "speech": Instruction("Generate natural speech from the text that is given.", "{text}"),
    "video_sound": Instruction(
        "You are a foley artist who understands what happens in the video and makes its sound.",
        "{text}\n",
    ),
    "video_music": Instruction(
        "You are a composer. Make background music that fits the style, the energy and the mood of "
        "the video.",
        "{text}\n",
    ),
    "add": Instruction(_EDITOR, "Add the sound of '{what}' to the input audio."),
    "remove": Instruction(_EDITOR, "Remove the sound of '{what}' from the input audio."),
    "extract": Instruction(_EDITOR, "Extract the sound of '{what}' from the input audio."),
    "restyle": Instruction(
        _EDITOR, "Change the sound of '{what}' in the input audio to the sound of '{to}'."
    ),
}
_FIELDS = {"text", "what", "to"}


def read_instructions(folder: str | Path) -> Mapping[str, Instruction]:
    """The wording of a checkpoint folder, ours where it has none.

    Raises:
      ValueError: `instructions.json` is no object of tasks, each with a text "system" and "user".
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return INSTRUCTIONS
    given: dict[str, Instruction] = {}
    for task, wording in read_object(path).items():
        texts = wording if isinstance(wording, Mapping) else {}
        system, user = texts.get("system"), texts.get("user")
        if task not in INSTRUCTIONS or not isinstance(system, str) or not isinstance(user, str):
            raise ValueError(
                f"{path}: {task!r}: expected one of {sorted(INSTRUCTIONS)} with the texts 'system' "
                "and 'user'"
            )
        try:
            fields = {field for _, field, _, _ in string.Formatter().parse(user) if field}
        except ValueError as error:
            raise ValueError(f"{path}: {task!r}: 'user': {error}") from None
        if fields - _FIELDS:
            raise ValueError(f"{path}: {task!r}: 'user' names {sorted(fields - _FIELDS)}")
        given[task] = Instruction(system, user)
    return {**INSTRUCTIONS, **given}
