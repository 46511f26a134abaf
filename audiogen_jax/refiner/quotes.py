"""Quotations in a sentence: the words that somebody says."""

import re

_MARKS = {
    '"': '"', "“": "”“", "”": "”", "„": "“”", "«": "»", "‹": "›", "「": "」", "『": "』",
    "＂": "＂", "'": "'", "‘": "’",
}  # fmt: skip
"""What opens a quotation -> what closes it."""
_APOSTROPHES = "'‘"
_SHORTENED = re.compile(r"['‘](?:n|em|til|tis|twas|cause|\d0s)\b", re.IGNORECASE)
_NAME = re.compile(r"\b(?:called|named|titled|entitled)\s*$", re.IGNORECASE)
_NAME_LENGTH = 12


def quotations(text: str) -> list[tuple[int, int]]:
    """Where words that are said stand in a text, from left to right, in characters.

    Read are double and single quotes, straight and curly, and those of German, French, Chinese and
    Japanese. Apostrophes (don't, dogs', 'n'), inches (12") and marks that nothing closes are none.
    Of quotations in quotations the outer is listed; names ("a song called 'Yesterday'") are not.

    Args:
      text: any.

    Returns:
      (start, end) of the quoted words without the marks; blank ones are left out.
    """
    spans: list[tuple[int, int]] = []
    unclosed: set[str] = set()
    at = 0
    while at < len(text):
        mark = text[at]
        if mark in _MARKS and mark not in unclosed and _opens(text, at):
            end = _closing(text, at)
            if end is None:
                unclosed.add(mark)
            else:
                name = _NAME.search(text, max(0, at - _NAME_LENGTH), at)
                if name is None and text[at + 1 : end].strip():
                    spans.append((at + 1, end))
                at = end
        at += 1
    return spans


def _opens(text: str, at: int) -> bool:
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if text[at] in _APOSTROPHES:
        free = not before.isalnum() and after.strip() != ""
        return free and _SHORTENED.match(text, at) is None
    return not (text[at] == '"' and before.isdigit())


def _closing(text: str, at: int) -> int | None:
    """Where the mark stands that closes the one at `at`; None if there is none."""
    closing = re.escape(_MARKS[text[at]])
    pattern = f"[{closing}]"
    if text[at] in _APOSTROPHES:
        pattern = rf"(?<=\S)[{closing}](?![^\W_])"
    match = re.compile(pattern).search(text, at + 1)
    return None if match is None else match.start()
