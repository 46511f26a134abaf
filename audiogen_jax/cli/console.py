"""Arguments and consoles as they come: home folders, bytes that are not UTF-8, narrow encodings."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence

_HOME = re.compile(r"((?:--?[\w-]+|[\w.]+)=)?(~(?:/.*)?)", re.DOTALL)


def accept_all_characters() -> None:
    """Lets stdout and stderr write what their encoding lacks as an escape, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):  # None where a console is closed
            reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def some_home() -> Iterator[None]:
    """A home folder for libraries that ask for one as they are imported, where there is none."""
    if os.path.expanduser("~") != "~":
        yield
        return
    with tempfile.TemporaryDirectory(prefix="audiogen-home-") as folder:
        os.environ["HOME"] = folder
        try:
            yield
        finally:
            del os.environ["HOME"]


def read_arguments(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command line as text, with the home folder in the place of `~`.

    Shells replace it too, but not in quotes nor after `=`.

    Raises:
      ValueError: an argument is not UTF-8, or nobody knows the home folder.
    """
    return [_with_home(_as_text(argument)) for argument in arguments]


def _as_text(argument: str) -> str:
    """An argument whose bytes the locale could not read, such as "C", may be UTF-8 still."""
    try:
        argument.encode()
        return argument
    except UnicodeEncodeError:
        pass
    try:
        return os.fsencode(argument).decode()
    except UnicodeError:
        raise ValueError(
            f"argument {argument!r} is not text in UTF-8: convert a prompt, rename a file"
        ) from None


def _with_home(argument: str) -> str:
    match = _HOME.fullmatch(argument)
    if match is None:
        return argument
    path = os.path.expanduser(match[2])
    if path.startswith("~"):
        raise ValueError(f"{argument}: no home folder is known: set HOME, or give the whole path")
    return (match[1] or "") + path
