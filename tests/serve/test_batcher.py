"""The queue: what is made together, refused, cancelled and finished; no model is needed."""

import threading
from collections.abc import Sequence

import pytest

from audiogen_jax.serve.batcher import Batcher, Closed, Full
from audiogen_jax.serve.metrics import Metrics
from audiogen_jax.serve.settings import ServeSettings

SECONDS = 20


class Squares:
    """Squares numbers, equal signs together; waits for `go`.

    Text cannot be prepared, None breaks what is prepared with it, 13 fails.
    """

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go, self.busy = threading.Event(), threading.Semaphore(0)

    def prepare(self, asked: Sequence[object]) -> list[int | Exception]:
        if None in asked:
            raise TypeError("None")
        return [n if isinstance(n, int) else ValueError(f"{n!r} is no number") for n in asked]

    def alike(self, one: int, other: int) -> bool:
        return (one < 0) == (other < 0)

    def make(self, batch: Sequence[int]) -> list[int]:
        self.busy.release()
        assert self.go.wait(SECONDS)
        self.batches.append([*batch])
        if 13 in batch:
            raise RuntimeError("13")
        return [number * number for number in batch]


@pytest.fixture
def maker():
    return Squares()


@pytest.fixture
def batcher(maker):
    batcher = Batcher(maker, ServeSettings(max_batch=3, max_waiting=8, gather_ms=0), Metrics())
    batcher.start()
    yield batcher
    maker.go.set()
    assert batcher.close(SECONDS)


def busy(maker, batcher):
    """The future of a number that is being squared, while others come."""
    first = batcher.submit(0)
    assert maker.busy.acquire(timeout=SECONDS)
    return first


def test_what_waits_is_made_together(maker, batcher):
    futures = [busy(maker, batcher)]
    futures += [batcher.submit(number) for number in (1, -2, 3, 4, 5, -6)]
    maker.go.set()
    assert [future.result(SECONDS) for future in futures] == [0, 1, 4, 9, 16, 25, 36]
    assert maker.batches == [[0], [1, 3, 4], [-2, -6], [5]]  # the oldest first, three at most


def test_an_idle_server_gathers_what_comes_at_once(maker):
    batcher = Batcher(maker, ServeSettings(max_batch=2, gather_ms=5000), Metrics())
    futures = [batcher.submit(1), batcher.submit(2)]
    maker.go.set()
    batcher.start()
    assert [future.result(SECONDS) for future in futures] == [1, 4]
    assert batcher.close(SECONDS) and maker.batches == [[1, 2]]


def test_errors_stay_with_those_who_made_them(maker, batcher):
    futures = [busy(maker, batcher), *map(batcher.submit, (2, "two", 13, None))]
    maker.go.set()
    assert futures[1].result(SECONDS) == 4
    with pytest.raises(ValueError, match="'two' is no number"):
        futures[2].result(SECONDS)
    with pytest.raises(RuntimeError, match="13"):
        futures[3].result(SECONDS)
    with pytest.raises(TypeError, match="None"):
        futures[4].result(SECONDS)
    assert maker.batches == [[0], [2, 13], [2], [13]]
    assert batcher.submit(3).result(SECONDS) == 9


def test_a_full_queue_says_when_to_come_again(maker, batcher):
    futures = [busy(maker, batcher), *map(batcher.submit, range(1, 8))]
    with pytest.raises(Full) as refused:
        batcher.submit(8)
    assert 1 <= refused.value.retry_after <= 600 and batcher.waiting == 8
    going_on = batcher.call(lambda: "on", begun=True)
    assert going_on.cancel() and futures[7].cancel() and batcher.waiting == 7
    last = batcher.submit(8)
    maker.go.set()
    assert last.result(SECONDS) == 64
    assert [number for batch in maker.batches for number in batch] == [*range(7), 8]


def test_calls_take_their_turn(maker, batcher):
    busy(maker, batcher)
    call, after = batcher.call(lambda: threading.current_thread().name), batcher.submit(1)
    failing = batcher.call(lambda: 1 / 0)
    maker.go.set()
    assert call.result(SECONDS) == "models" and after.result(SECONDS) == 1
    with pytest.raises(ZeroDivisionError):
        failing.result(SECONDS)


def test_what_was_accepted_is_finished(maker, batcher):
    futures = [busy(maker, batcher), batcher.submit(1), batcher.submit(-2)]
    assert not batcher.close(0.01) and not batcher.alive
    with pytest.raises(Closed):
        batcher.submit(3)
    maker.go.set()
    assert [future.result(SECONDS) for future in futures] == [0, 1, 4]
    assert batcher.close(SECONDS) and batcher.waiting == 0
