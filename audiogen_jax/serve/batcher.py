"""A bounded queue, and the one thread that owns the models and works it off in batches."""

import concurrent.futures
import dataclasses
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from audiogen_jax.serve.metrics import Metrics
from audiogen_jax.serve.settings import ServeSettings

Asked = TypeVar("Asked")
Ready = TypeVar("Ready")
Made = TypeVar("Made")
_Value = TypeVar("_Value")
_Taken = TypeVar("_Taken", contravariant=True)
_Given = TypeVar("_Given", covariant=True)


class Maker(Protocol[_Taken, Ready, _Given]):
    """Makes what is asked for, several at a time; called by one thread alone."""

    def prepare(self, asked: Sequence[_Taken]) -> Sequence[Ready | Exception]:
        """Checks what is asked; in the place of what cannot be made is an error."""
        ...

    def alike(self, one: Ready, other: Ready) -> bool:
        """Can they be made together?"""
        ...

    def make(self, batch: Sequence[Ready]) -> Sequence[_Given | Exception]:
        """Makes what is alike; none depends on the others."""
        ...


class Full(Exception):
    """The queue takes no more.

    Attributes:
      retry_after: seconds in which that may have changed.
    """

    def __init__(self, retry_after: int):
        super().__init__(f"all places are taken: try again in {retry_after} s")
        self.retry_after = retry_after


class Closed(Exception):
    """The server ends and takes no more."""


@dataclasses.dataclass(eq=False)
class _Job(Generic[Asked, Ready]):
    """Something to do, with the future of its result.

    Attributes:
      asked: of the maker; None of a call.
      call: what else is done.
      ready: what was prepared.
    """

    future: concurrent.futures.Future
    asked: Asked | None = None
    call: Callable[[], object] | None = None
    ready: Ready | None = None


class Batcher(Generic[Asked, Ready, Made]):
    """Collects what clients ask for and has it made in batches, the oldest first.

    What is asked is prepared as soon as the thread is free, as only then it is known what can be
    made together. A cancelled future leaves the queue, unless it is being made already: then its
    result is dropped.
    """

    def __init__(self, maker: Maker[Asked, Ready, Made], settings: ServeSettings, metrics: Metrics):
        """Nothing runs yet.

        Args:
          maker: of the results.
          settings: of the queue and of batches.
          metrics: told of every batch.
        """
        self._maker, self._settings, self._metrics = maker, settings, metrics
        self._changed = threading.Condition()
        self._arrived: list[_Job[Asked, Ready]] = []
        self._waiting = 0
        self._closing = False
        self._seconds_each = 1.0
        self._thread = threading.Thread(target=self._work, name="models", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Is the thread at work, and takes more?"""
        return self._thread.is_alive() and not self._closing

    @property
    def waiting(self) -> int:
        """Requests that were accepted and are not finished."""
        return self._waiting

    def submit(self, asked: Asked) -> "concurrent.futures.Future[Made]":
        """Has something made, perhaps along with others.

        Raises:
          Full, Closed: it is not accepted.
        """
        return self._accept(_Job(concurrent.futures.Future(), asked=asked))

    def call(
        self, function: Callable[[], _Value], begun: bool = False
    ) -> "concurrent.futures.Future[_Value]":
        """Runs a function on the thread, when its turn comes.

        Args:
          function: to run.
          begun: it goes on with what was accepted, and so is accepted by a full queue, too.

        Raises:
          Full, Closed: it is not accepted.
        """
        return self._accept(_Job(concurrent.futures.Future(), call=function), begun)

    def close(self, seconds: float) -> bool:
        """Takes no more, and waits until what was accepted is finished; was it in time?"""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _accept(self, job: _Job[Asked, Ready], begun: bool = False) -> concurrent.futures.Future:
        with self._changed:
            if self._closing:
                raise Closed
            if self._waiting >= self._settings.max_waiting and not begun:
                expected = math.ceil(self._waiting * self._seconds_each)
                raise Full(min(max(expected, 1), 600))
            self._waiting += 1
            self._arrived.append(job)
            self._changed.notify()
        job.future.add_done_callback(self._finished)
        return job.future

    def _finished(self, future: concurrent.futures.Future) -> None:
        with self._changed:
            self._waiting -= 1

    def _work(self) -> None:
        jobs: list[_Job[Asked, Ready]] = []
        while True:
            arrived = self._arrivals(idle=not jobs)
            if not (arrived or jobs):
                return
            jobs += self._prepared([job for job in arrived if not job.future.cancelled()])
            jobs = [job for job in jobs if not job.future.cancelled()]
            if jobs:
                batch = self._batch(jobs)
                jobs = [job for job in jobs if job not in batch]
                self._run([job for job in batch if job.future.set_running_or_notify_cancel()])

    def _arrivals(self, idle: bool) -> list[_Job[Asked, Ready]]:
        """What came in the meantime; if idle, waits for it, and for what can go along."""
        with self._changed:
            if idle:
                self._changed.wait_for(lambda: self._arrived or self._closing)
                end = time.monotonic() + self._settings.gather_ms / 1000
                self._changed.wait_for(
                    lambda: len(self._arrived) >= self._settings.max_batch or self._closing,
                    end - time.monotonic(),
                )
            arrived, self._arrived = self._arrived, []
        return arrived

    def _prepared(self, jobs: list[_Job[Asked, Ready]]) -> list[_Job[Asked, Ready]]:
        asking = [job for job in jobs if job.call is None]
        for job, result in zip(asking, self._preparations(asking), strict=True):
            if isinstance(result, Exception):
                if job.future.set_running_or_notify_cancel():
                    job.future.set_exception(result)
            else:
                job.ready = result
        return [job for job in jobs if job.call or job.ready is not None]

    def _preparations(self, asking: Sequence[_Job[Asked, Ready]]) -> Sequence[Ready | Exception]:
        if not asking:
            return []
        try:
            return self._maker.prepare([job.asked for job in asking])  # type: ignore[misc]
        except Exception as error:
            if len(asking) == 1:
                return [error]
            return [result for job in asking for result in self._preparations([job])]

    def _batch(self, jobs: Sequence[_Job[Asked, Ready]]) -> list[_Job[Asked, Ready]]:
        """The oldest, and those that can be made with it."""
        first = jobs[0]
        if first.ready is None:
            return [first]
        alike = [
            job
            for job in jobs
            if job.ready is not None and self._maker.alike(first.ready, job.ready)
        ]
        return alike[: self._settings.max_batch]

    def _run(self, batch: Sequence[_Job[Asked, Ready]]) -> None:
        if not batch:
            return
        start = time.monotonic()
        for job, result in zip(batch, self._results(batch), strict=True):
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
        seconds = time.monotonic() - start
        self._seconds_each += 0.2 * (seconds / len(batch) - self._seconds_each)
        self._metrics.of_batch(len(batch), seconds)

    def _results(self, batch: Sequence[_Job[Asked, Ready]]) -> Sequence[object]:
        try:
            if batch[0].call is not None:
                return [batch[0].call()]
            return self._maker.make([job.ready for job in batch])  # type: ignore[misc]
        except Exception as error:
            if len(batch) == 1:
                return [error]
            return [result for job in batch for result in self._results([job])]
