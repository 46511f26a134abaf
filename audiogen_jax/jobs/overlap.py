"""Devices and disk at work at the same time."""

import concurrent.futures
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Batch = TypeVar("Batch")
Submitted = TypeVar("Submitted")
Result = TypeVar("Result")


def overlapped(
    batches: Iterable[Batch],
    submit: Callable[[Batch], Submitted],
    finish: Callable[[Batch, Submitted], Result],
) -> Iterator[Result]:
    """While the devices work on a batch, a thread collects and writes the one before.

    Nothing is written after a batch that failed; those before it are.

    Args:
      batches: taken one at a time, when there is room on the devices.
      submit: starts the work on a batch and returns what will hold its results.
      finish: waits for these results and writes them; runs in a thread, one batch at a time.

    Yields:
      What `finish` returns, in the order of the batches.
    """

    def take_turn(before: concurrent.futures.Future | None, batch: Batch, submitted: Submitted):
        if before is not None:
            before.result()  # done, as there is one thread; raises if it failed
        return finish(batch, submitted)

    writing: concurrent.futures.Future | None = None
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as writer:
        for batch in batches:
            before, writing = writing, writer.submit(take_turn, writing, batch, submit(batch))
            if before is not None:
                yield before.result()
        if writing is not None:
            yield writing.result()
