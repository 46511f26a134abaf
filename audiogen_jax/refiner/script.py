"""Scripts as scenes of passages: Fountain (https://fountain.io/syntax), or plain paragraphs."""

import dataclasses
import re
from collections.abc import Iterator

_HEADING = re.compile(r"(?:INT|EXT|EST|INT\.?/EXT|I/E)[. ]\s*(.+)", re.IGNORECASE)
_TRANSITION = re.compile(r"[A-Z ]+ TO:$|>(?!.*<$).*")
_HIDDEN = (("/*", "*/"), ("[[", "]]"))
"""Marks around comments and notes."""
_EMPHASIS = re.compile(r"\*{1,3}|_(?=\S)|(?<=\S)_")
_EXTENSION = re.compile(r"(?:\([^()]*\)|\^)$")
_SCENE_NUMBER = re.compile(r"\s*#[^#]+#\s*$")
_TIME_OF_DAY = re.compile(r"\s+[-–—]+\s+")


@dataclasses.dataclass(frozen=True)
class Passage:
    """What is told, or said.

    Attributes:
      text: an action, or the words that somebody says.
      character: who says them; None of an action.
      manner: how, as the parenthetical has it; None if it is not said.
    """

    text: str
    character: str | None = None
    manner: str | None = None


@dataclasses.dataclass(frozen=True)
class ScriptScene:
    """What happens in one place.

    Attributes:
      place: as the heading has it, in lower case: "kitchen, night"; None without a heading.
      passages: in their order.
    """

    place: str | None
    passages: tuple[Passage, ...]


def read_script(text: str) -> list[ScriptScene]:
    """Reads a script.

    Blocks are parted by blank lines. A heading (INT., EXT. ...) begins a scene; a line in capitals
    over others is who says these; all else is action, also every paragraph of a plain text. Notes,
    comments, title pages, sections, synopses, transitions and lyrics' marks are left out.

    Args:
      text: the script.

    Raises:
      ValueError: nothing is told or said in it.
    """
    scenes: list[ScriptScene] = []
    place: str | None = None
    passages: list[Passage] = []
    for lines in _blocks(_shown(text)):
        if heading := _heading(lines):
            if passages:
                scenes.append(ScriptScene(place, tuple(passages)))
            place, passages = heading, []
            lines = lines[1:]
        if lines:
            passages += _passages(lines)
    if passages:
        scenes.append(ScriptScene(place, tuple(passages)))
    if not scenes:
        raise ValueError("the script tells nothing: write what happens, or who says what")
    return scenes


def _shown(text: str) -> str:
    """A script without comments and notes; what nothing closes stays."""
    for opening, closing in _HIDDEN:
        shown, at = [], 0
        while (start := text.find(opening, at)) >= 0:
            if (end := text.find(closing, start + len(opening))) < 0:
                break
            shown.append(text[at:start])
            at = end + len(closing)
        text = "".join(shown) + text[at:]
    return text


def _blocks(text: str) -> Iterator[list[str]]:
    blocks = re.split(
        r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n").strip("\ufeff\n ")
    )
    for number, block in enumerate(blocks):
        lines = [" ".join(line.split()) for line in block.split("\n") if line.strip()]
        if number == 0 and re.match(r"(?i)(?:title|credit|author|source|draft date):", block):
            continue  # the title page
        kept = [line for line in lines if not re.match(r"#|=|~?\s*$", line)]
        if kept:
            yield kept


def _heading(lines: list[str]) -> str | None:
    line = lines[0]
    if line.startswith(".") and not line.startswith(".."):
        place = line[1:]
    elif match := _HEADING.match(line):
        place = match[1]
    else:
        return None
    return _TIME_OF_DAY.sub(", ", _SCENE_NUMBER.sub("", place).strip()).lower()


def _passages(lines: list[str]) -> list[Passage]:
    """Of one block: a speech under the name of who holds it, or an action."""
    if len(lines) == 1 and _TRANSITION.match(lines[0]):
        return []
    name = _cue(lines[0])
    if name is None or len(lines) == 1:
        text = _plain(" ".join(line.lstrip("!>~").rstrip("<") for line in lines))
        return [Passage(text)] if text else []
    said = [Passage("", name)]
    for line in lines[1:]:
        if line.startswith("(") and line.endswith(")"):
            said.append(Passage("", name, line[1:-1].strip() or None))
        else:
            words = f"{said[-1].text} {_plain(line.lstrip('~'))}".strip()
            said[-1] = dataclasses.replace(said[-1], text=words)
    return [passage for passage in said if passage.text]


def _cue(line: str) -> str | None:
    """Who speaks, if a line in capitals, or one after @, says it; without "(V.O.)" and "^"."""
    name = line.lstrip("@").strip()
    while (shorter := _EXTENSION.sub("", name).strip()) != name:
        name = shorter
    forced = line.startswith("@") or (name.isupper() and not line.startswith("!"))
    return name if name and forced else None


def _plain(text: str) -> str:
    return _EMPHASIS.sub("", text).strip()
