"""What is warned of while something is made."""

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import TextIO


@contextlib.contextmanager
def own_warnings() -> Iterator[list[str]]:
    """What is warned of, by this thread alone: others encode what other clients get."""
    told: list[str] = []
    thread = threading.get_ident()
    with warnings.catch_warnings():
        show = warnings.showwarning

        def tell(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if threading.get_ident() == thread and issubclass(category, UserWarning):
                told.append(str(message))
            else:
                show(message, category, filename, lineno, file, line)

        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = tell
        yield told
