"""Turns SIGTERM and SIGINT into a flag that the loop looks at between two steps."""

import signal
import threading
import time
from types import FrameType, TracebackType

import jax
import numpy as np
from jax.experimental import multihost_utils

from audiogen_jax.sharding.stop import SIGNALS, take_signal

AGREE_EVERY = 10
"""Steps at most after which several processes ask each other whether to stop."""
AGREE_SECONDS = 10.0
"""They ask more often where as many steps take longer."""


class Interruption:
    """Context manager; `requested` is True once a signal to stop has arrived.

    A second signal acts as if this did not exist.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # only it may set handlers
            self._previous = {number: signal.getsignal(number) for number in SIGNALS}
            for number in SIGNALS:
                signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        take_signal()
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]


class StopVote:
    """Stops several processes after the same step when one of them wants to."""

    def __init__(self, step: int):
        """Args: number of finished steps, the same on all processes."""
        self._asked, self._next = step, step + AGREE_EVERY
        self._since = time.monotonic()

    def __call__(self, step: int, stop: bool) -> bool:
        """Whether to stop after a step; all processes must call it after each.

        Args:
          step: number of finished steps.
          stop: whether this process wants to.
        """
        if jax.process_count() == 1:
            return stop
        if step < self._next:
            return False
        seconds = (time.monotonic() - self._since) / (step - self._asked)
        wishes = multihost_utils.process_allgather(np.array([stop, seconds], np.float32))
        slowest = max(float(wishes[:, 1].max()), 1e-6)
        self._asked, self._since = step, time.monotonic()
        self._next = step + max(1, min(AGREE_EVERY, int(AGREE_SECONDS / slowest)))
        return bool(wishes[:, 0].any())
