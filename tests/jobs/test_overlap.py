import threading

import pytest

from audiogen_jax.jobs.overlap import overlapped


def test_a_batch_is_submitted_while_the_one_before_is_finished():
    submitted = [threading.Event() for _ in range(4)]
    finished: list[int] = []

    def submit(batch: int) -> str:
        # Two are on their way at most: the one before the last has been handed out.
        assert len(finished) >= batch - 1
        submitted[batch].set()
        return f"latents {batch}"

    def finish(batch: int, latents: str) -> str:
        assert latents == f"latents {batch}"
        if batch + 1 < len(submitted):
            assert submitted[batch + 1].wait(10), "waits for a batch that is not submitted"
        finished.append(batch)
        return f"clip {batch}"

    results = list(overlapped(range(4), submit, finish))
    assert results == [f"clip {batch}" for batch in range(4)]
    assert finished == [0, 1, 2, 3]


def test_no_batches():
    assert list(overlapped([], str, lambda batch, text: text)) == []


def test_nothing_is_written_after_a_failure():
    written, release = [], threading.Event()

    def submit(batch: int) -> None:
        if batch == 2:
            release.set()  # the failure comes when its follower waits in line already

    def finish(batch: int, _: None) -> int:
        if batch == 1:
            assert release.wait(10)
            raise OSError("disk full")
        written.append(batch)
        return batch

    results = overlapped(range(5), submit, finish)
    assert next(results) == 0
    with pytest.raises(OSError, match="disk full"):
        list(results)
    assert written == [0]


def test_a_batch_on_its_way_is_whole_when_the_next_cannot_be_submitted():
    written = []

    def submit(batch: int) -> None:
        if batch == 1:
            raise ValueError("does not fit")

    with pytest.raises(ValueError, match="does not fit"):
        list(overlapped(range(3), submit, lambda batch, _: written.append(batch)))
    assert written == [0]
