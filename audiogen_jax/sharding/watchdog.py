"""Ends a process that makes no progress, so that it is started again."""

import contextlib
import faulthandler
import threading
import time
from collections.abc import Iterator
from types import TracebackType

import jax

from audiogen_jax.sharding.stop import leave

START_FACTOR = 3
"""Until the first step is done (opening data, restoring, compiling) it may take so much longer."""
WAITING_FACTOR = 1.25
"""Of several processes, those that wait for a stuck one in what they do together may take so much
longer than it: so it is the one that says where it stands."""
_STDERR = 2
CLOSING_SECONDS = 30.0
"""How long one of several processes may close files after an error: that waits for the others."""


class Watchdog:
    """Context manager: a thread that waits for `beat`.

    Without one for too long it writes the stacks of all threads and a line to stderr, and ends the
    process with `UNFINISHED`. It starts lenient, and is strict after `expect_steps`.
    """

    def __init__(self, seconds: float):
        """Args: the longest time without progress; 0: any."""
        self._seconds, self._limit = seconds, START_FACTOR * seconds
        self._doing, self._since, self._factor = "starting", time.monotonic(), 1.0
        self._done = threading.Event()

    def __enter__(self) -> "Watchdog":
        if self._seconds:
            threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()

    def beat(self, doing: str, together: bool = True) -> None:
        """Says that there was progress.

        Args:
          doing: what is done from now on.
          together: do several processes do it together, each waiting for the others?
        """
        self._factor = WAITING_FACTOR if together and jax.process_count() > 1 else 1.0
        self._doing, self._since = doing, time.monotonic()

    def expect_steps(self) -> None:
        """From now on the time without progress is that of a step."""
        self._limit = self._seconds

    @property
    def _patience(self) -> float:
        return self._factor * self._limit

    def _watch(self) -> None:
        while not self._done.wait(min(1.0, self._seconds / 10)):
            if time.monotonic() - self._since > self._patience:
                faulthandler.dump_traceback(_STDERR, all_threads=True)
                leave(
                    f"no progress for {self._patience:g} s (stuck_seconds={self._seconds:g}) while "
                    f"{self._doing}; the stacks of its threads stand above"
                )


@contextlib.contextmanager
def closed_in_time() -> Iterator[None]:
    """After an error in one of several processes, what is closed around the block has limited time.

    To finish a checkpoint it would wait for the others, who wait for it in a step.
    """
    try:
        yield
    except BaseException as error:
        if jax.process_count() > 1:
            reason = f"{error} (files could not be closed in {CLOSING_SECONDS:g} s)"
            timer = threading.Timer(CLOSING_SECONDS, leave, (reason, 1))
            timer.daemon = True
            timer.start()
        raise
