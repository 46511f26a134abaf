"""A process without progress ends, and says where it stood."""

import time

import pytest

from audiogen_jax.sharding import watchdog
from audiogen_jax.sharding.watchdog import START_FACTOR, WAITING_FACTOR, Watchdog, closed_in_time

SHORT = 0.05


@pytest.fixture
def left(monkeypatch) -> list[str]:
    """What would have ended this process."""
    reasons: list[str] = []
    monkeypatch.setattr(watchdog, "leave", lambda reason, code=75: reasons.append(reason))
    return reasons


def wait(left: list[str]) -> None:
    deadline = time.monotonic() + 30
    while not left and time.monotonic() < deadline:
        time.sleep(SHORT / 5)


def test_stuck(left, capfd):
    with Watchdog(SHORT) as dog:
        dog.beat("loading the data of step 7")
        wait(left)
    assert "no progress for 0.15 s (stuck_seconds=0.05) while loading the data of step 7" in left[0]
    stacks = capfd.readouterr().err
    assert "Thread 0x" in stacks and "in wait" in stacks  # this one waits in `wait`


def test_steps_are_shorter_than_the_start(left):
    with Watchdog(1000 * SHORT) as dog:
        dog.expect_steps()
        dog._since -= 1000 * SHORT * (START_FACTOR + 1) / 2
        wait(left)
    assert "no progress for 50 s" in left[0]


def test_who_waits_for_another_is_more_patient(monkeypatch):
    """Of a stuck process and those that wait for it, the stuck one speaks."""
    dog = Watchdog(8)
    for processes, factor in ((1, 1), (2, WAITING_FACTOR)):
        monkeypatch.setattr(watchdog.jax, "process_count", lambda count=processes: count)
        dog.beat("loading the data of step 5", together=False)
        alone = dog._patience
        dog.beat("running step 5")
        assert dog._patience == factor * alone


def test_progress(left):
    with Watchdog(10 * SHORT) as dog:
        dog.expect_steps()
        for step in range(20):
            dog.beat(f"running step {step}")
            time.sleep(SHORT)
    assert not left


def test_off(left):
    with Watchdog(0.0) as dog:
        dog._since -= 1e9
        time.sleep(SHORT)
    assert not left


@pytest.mark.parametrize("processes", [1, 2])
def test_after_an_error_files_are_closed_in_time(left, monkeypatch, processes: int):
    """The others of several processes wait for this one, and it for them."""
    monkeypatch.setattr(watchdog, "CLOSING_SECONDS", SHORT)
    monkeypatch.setattr(watchdog.jax, "process_count", lambda: processes)
    with pytest.raises(ArithmeticError):
        with closed_in_time():
            raise ArithmeticError("the cause of it")
    time.sleep(4 * SHORT)
    assert len(left) == processes - 1 and all("the cause of it" in reason for reason in left)
