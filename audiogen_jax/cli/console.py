"""What surrounds a command: arguments as they come, consoles, home folders, XLA's threads."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata

ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"
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


def avoid_deadlock() -> None:
    """Keeps each matrix product of XLA's CPU backend on one thread where jaxlib is 0.11.

    Its thread pool deadlocks there in large programs, as those of our trainings are; 0.10 and 0.12
    end the same ones. A choice of the user's in `XLA_FLAGS` stays. Of use before the first array.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    name = ONE_THREAD.partition("=")[0]
    if metadata.version("jaxlib").startswith("0.11.") and name not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {ONE_THREAD}".strip()


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
