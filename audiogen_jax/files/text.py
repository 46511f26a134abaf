"""Text in the encodings that files come in."""

import codecs
from pathlib import Path

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins like the mark of UTF-16: first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decode_text(contents: bytes, name: str | Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 with its byte order mark.

    Other encodings cannot be told from each other, and are refused.

    Args:
      contents: of the file.
      name: of the file, for the error.

    Raises:
      ValueError: it is in another encoding, or no text.
    """
    encoding = next((code for mark, code in _MARKS.items() if contents.startswith(mark)), "utf-8")
    try:
        text = contents.decode(encoding)
    except UnicodeDecodeError as error:
        line = contents.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{name} is not text in UTF-8: byte 0x{contents[error.start]:02x} in line {line} "
            f"({error.reason}); save it as UTF-8"
        ) from error
    if (end := text.find("\0")) >= 0:
        line = text.count("\n", 0, end) + 1
        raise ValueError(f"{name} is not text in UTF-8: a zero byte in line {line}; save it anew")
    return text
