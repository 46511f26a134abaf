"""Structured captions: six views of one audio scene, written as one tagged string.

`<|caption|> a busy kitchen <|speech|> a calm woman <|asr|> dinner is ready <|env|> indoors`

Tags are written in the order of `VIEWS`; any order is read. The caption view is required.
"""

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:  # the command line reads this file before it needs numpy
    import numpy as np

VIEWS = ("caption", "speech", "asr", "sfx", "music", "env")
"""The views in the order in which they are written."""

PARTS = ("speech", "sfx", "music", "env")
"""Views of a scene that can be left out; "speech" takes "asr" along."""

_TAG = re.compile(r"<\|([^<>|]*)\|>")


@dataclasses.dataclass(frozen=True)
class StructuredCaption:
    """One audio scene seen six ways; absent views are None.

    Surrounding white space is removed and blank views become None, so that two captions
    are equal exactly when their tagged strings are.

    Attributes:
      caption: what is heard overall (required).
      speech: how the speech sounds (voices, emotion, language).
      asr: the words that are spoken.
      sfx: sound events.
      music: the music.
      env: the acoustic environment.

    Raises:
      ValueError: the caption is empty, or a view contains a `<|tag|>` or half a character.
    """

    caption: str
    speech: str | None = None
    asr: str | None = None
    sfx: str | None = None
    music: str | None = None
    env: str | None = None

    def __post_init__(self):
        for view in VIEWS:
            value = getattr(self, view)
            text = "" if value is None else str(value).strip()
            if tag := _TAG.search(text):
                raise ValueError(
                    f"view {view!r} contains the tag {tag[0]!r}: give each view as plain text, "
                    "or the whole tagged string to parse()"
                )
            check_text(view, text)
            object.__setattr__(self, view, text or None)
        if self.caption is None:
            raise ValueError("the caption view is empty: describe the scene after <|caption|>")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a tagged string; see `parse`."""
        pieces = _TAG.split(text)
        if len(pieces) == 1:
            if "<|" in text or "|>" in text:
                raise ValueError(
                    f"a tag is cut in {_shorten(text)!r}: expected a sentence, or a tagged string "
                    "such as '<|caption|> a dog barks <|env|> a quiet street'"
                )
            return cls(text)
        if pieces[0].strip():
            raise ValueError(f"text before the first tag: {_shorten(pieces[0])!r}")
        views: dict[str, str] = {}
        for tag, value in zip(pieces[1::2], pieces[2::2], strict=True):
            if tag not in VIEWS:
                known = " ".join(f"<|{view}|>" for view in VIEWS)
                raise ValueError(f"unknown tag <|{tag}|>: expected one of {known}")
            if tag in views:
                raise ValueError(f"tag <|{tag}|> appears twice: give each view once")
            views[tag] = value
        if "caption" not in views:
            raise ValueError(f"no <|caption|> view in {_shorten(text)!r}: every prompt needs one")
        return cls(**views)

    def format(self) -> str:
        """The tagged string, views in the order of `VIEWS`; `parse` reads it back exactly."""
        present = ((view, getattr(self, view)) for view in VIEWS)
        return " ".join(f"<|{view}|> {text}" for view, text in present if text is not None)

    def without(self, view: str) -> Self:
        """The scene with one of its parts left out of the views, but not of the caption.

        Args:
          view: "speech", which takes the words along, "sfx", "music" or "env".
        """
        removed = ("speech", "asr") if view == "speech" else (view,)
        return dataclasses.replace(self, **dict.fromkeys(removed))

    def drop_views(self, rng: "np.random.Generator", rate: float = 0.2) -> Self:
        """Drops every view but the caption with probability `rate`, each on its own draw.

        Args:
          rng: five numbers are drawn from it, whichever views are present.
          rate: probability of dropping a view, in [0, 1].
        """
        if not 0.0 <= rate <= 1.0:
            raise ValueError(f"rate={rate} must be a probability in [0, 1]")
        dropped = rng.random(len(VIEWS) - 1) < rate
        return dataclasses.replace(
            self, **{view: None for view, drop in zip(VIEWS[1:], dropped, strict=True) if drop}
        )


def compose(
    caption: Any = None,
    speech: Any = None,
    asr: Any = None,
    sfx: Any = None,
    music: Any = None,
    env: Any = None,
    *,
    prompt: str | None = None,
) -> str:
    """Writes the tagged string of a scene; blank or None views are left out.

    Args:
      caption, speech, asr, sfx, music, env: the views; other types are written with `str`.
      prompt: a string that is tagged already: it wins over the views, is checked, and is
        returned as written but for surrounding white space.

    Raises:
      ValueError: no caption, or a malformed `prompt`.
    """
    if prompt is not None:
        if "<|" not in prompt:
            raise ValueError(f"no <|caption|> tag in prompt={_shorten(prompt)!r}: use caption=")
        StructuredCaption.parse(prompt)
        return prompt.strip()
    return StructuredCaption(caption, speech, asr, sfx, music, env).format()  # type: ignore[arg-type]


def parse(text: str) -> StructuredCaption:
    """Reads a tagged string, tags in any order; a sentence without tags is the caption.

    Raises:
      ValueError: a tag that is cut, text before the first tag, an unknown or repeated tag, or no
        caption.
    """
    return StructuredCaption.parse(text)


def view_ranges(text: str) -> dict[str, tuple[int, int]]:
    """Where the text of each view begins and ends in a tagged string, in characters."""
    tags = list(_TAG.finditer(text))
    ends = [*(tag.start() for tag in tags), len(text)][1:]
    return {tag[1]: (tag.end(), end) for tag, end in zip(tags, ends, strict=True)}


def check_text(name: str, text: str) -> None:
    """Checks that a text can be written, unlike one that was read in a wrong encoding or cut.

    Raises:
      ValueError: it holds half of a character (a surrogate).
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start].encode("ascii", "backslashreplace").decode()
        raise ValueError(
            f"{name!r} holds half of a character, {half}: it was cut, or is not in UTF-8"
        ) from error


def _shorten(text: str, width: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"
