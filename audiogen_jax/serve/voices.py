"""Voices by the names that OpenAI's clients send, as descriptions that a caption model reads."""

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.serve.errors import ApiError

VOICES = {
    "alloy": "a person speaking",
    "ash": "a man speaking",
    "ballad": "a man speaking softly",
    "cedar": "a man speaking",
    "coral": "a woman speaking",
    "echo": "a man speaking",
    "fable": "a person speaking",
    "marin": "a woman speaking",
    "nova": "a woman speaking",
    "onyx": "a man speaking in a deep voice",
    "sage": "a woman speaking calmly",
    "shimmer": "a woman speaking brightly",
    "verse": "a man speaking",
}
"""The model has no voices that stay the same: these say what kind of voice is heard."""


def describe(voice: str, instructions: str | None) -> str:
    """How a voice sounds: by its name, or the words that were given in its place.

    Raises:
      ApiError: one word that is no name.
    """
    description = VOICES.get(voice.lower()) or (voice if " " in voice.strip() else None)
    if description is None:
        raise ApiError(
            400,
            f"voice {voice!r:.60}: expected one of {', '.join(VOICES)}, or a description such as "
            "'an old man speaking slowly'",
            "voice",
            "invalid_value",
        )
    manner = (instructions or "").strip()
    return f"{description}, {manner}" if manner else description


def spoken(words: str, voice: str) -> StructuredCaption:
    """The scene in which a voice says words, as captions of speech are written."""
    who = f"{voice[0].upper()}{voice[1:]}"
    return StructuredCaption(caption=f'{who} says "{words}".', speech=voice, asr=words)
