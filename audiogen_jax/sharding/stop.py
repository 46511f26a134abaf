"""How a process ends that has not finished: at once, with a line that names it and the cause."""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

UNFINISHED = 75
"""Exit code of work that was stopped and goes on when it is started again: EX_TEMPFAIL of
sysexits.h. The launchers start again what ends with it."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)

_taken = 0
"""Signals on which a handler acted that then gave its place back."""
_name = f"process on {socket.gethostname()}"
_before_leaving: Callable[[str, int], None] | None = None


def name_process(index: int, count: int) -> None:
    """Sets what messages call this process, once it is known which of how many it is."""
    global _name
    _name = f"process {index} of {count} on {socket.gethostname()}"


def process_name() -> str:
    """What messages call this process; asks no device."""
    return _name


def take_signal() -> None:
    """Called by a handler that acts on a signal and gives its place back to `ended_by_signals`."""
    global _taken
    _taken += 1


def before_leaving(action: Callable[[str, int], None]) -> None:
    """Sets what `leave` does between its line and the end, with its arguments."""
    global _before_leaving
    _before_leaving = action


def leave(reason: str, code: int = UNFINISHED) -> NoReturn:
    """Ends this process now, from any thread; nothing at exit waits for other processes.

    Args:
      reason: ends the line on stderr.
      code: of the exit.
    """
    with contextlib.suppress(OSError, ValueError):  # nobody reads, or the stream is closed
        sys.stdout.flush()
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h\n")  # a moving bar hides the cursor
        sys.stderr.write(f"audiogen: {process_name()}: {' '.join(reason.split())}\n")
        sys.stderr.flush()
    with contextlib.suppress(Exception):  # whatever it is, the process ends
        if _before_leaving is not None:
            _before_leaving(reason, code)
    os._exit(code)


@contextlib.contextmanager
def ended_by_signals(what: str) -> Iterator[None]:
    """Lets SIGTERM and SIGINT end the process with `UNFINISHED`, whatever it waits for.

    Python runs handlers between two of its own instructions: never while it compiles, or waits for
    other processes. A thread reads the signals here, so that such waits end too. Handlers that are
    set inside take over.

    Args:
      what: is stopped, and what becomes of it.
    """
    if threading.current_thread() is not threading.main_thread():  # only it may set handlers
        yield
        return

    def ours(number: int, frame: FrameType | None) -> None:
        """Marks the signals that the thread acts on."""

    def watch() -> None:
        count = _taken
        while received := os.read(reading, 1):
            number = received[0]
            if number not in SIGNALS:
                continue
            count += 1
            # A handler may have acted on it, and given its place back, before it was read here.
            if signal.getsignal(number) is ours and count > _taken:
                leave(f"stopped by {signal.Signals(number).name}: {what}")

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = {number: signal.signal(number, ours) for number in SIGNALS}
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    thread = threading.Thread(target=watch, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writing)
        thread.join()
        os.close(reading)
