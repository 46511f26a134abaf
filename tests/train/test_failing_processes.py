"""One of two processes is killed, raises, hangs or gets a signal: both end, soon, and say why.

Five minutes, so it is not part of `make test`: python -m pytest -m slow
"""

import re
import signal
import time

import pytest

from audiogen_jax.sharding.peers import DIED
from audiogen_jax.sharding.stop import UNFINISHED
from tests.train.two_processes import start_two

FAULT = """
import os, signal, sys, time
import audiogen_jax.train.loop as loop
when, what = {when!r}, {what!r}
calls, host_batch = [], loop.host_batch

def failing(fields):
    calls.append(1)
    if len(calls) == (1 if when == "before" else 6):  # the first is that of validation
        if what == "raises":
            raise ArithmeticError("the cause of it")
        if what == "hangs":
            time.sleep(1000)
        os.kill(os.getpid(), dict(killed=signal.SIGKILL, signalled=signal.SIGTERM)[what])
    return host_batch(fields)

loop.host_batch = failing
from audiogen_jax.cli import main
main(["train", *sys.argv[1:]])
"""
EXPECTED = {
    "killed": (-signal.SIGKILL, ""),
    "raises": (1, r"process {i} of 2 on \S+: ArithmeticError: the cause of it"),
    "hangs": (UNFINISHED, r"process {i} of 2 on \S+: no progress for \d+ s .*while {doing}"),
    "signalled": (UNFINISHED, r"process {i} of 2 on \S+: stopped by SIGTERM"),
}


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("when", ["before", "loop"])
@pytest.mark.parametrize("what", EXPECTED)
def test_both_end(smoke, tmp_path, what: str, when: str, victim: int):
    programs: list[tuple[str, ...]] = [("-m", "launch.train")] * 2
    programs[victim] = ("-c", FAULT.format(when=when, what=what))
    options = ("steps=100000", "eval.batches=1", "eval.every=100000", "log_every=1")
    # Compiling may take three times so long, also where other programs run beside.
    stuck = ("stuck_seconds=20",) if what == "hangs" else ()
    processes = start_two(
        "encoder", smoke("encoder"), tmp_path, *options, *stuck, programs=programs
    )
    processes[victim].wait(timeout=120)
    ended = time.monotonic()
    outputs = [process.communicate(timeout=120)[0].decode() for process in processes]
    both = "\n".join(outputs)
    seconds = time.monotonic() - ended
    print(f"{what} {when}, process {victim}: the other ended {seconds:.1f} s later")
    assert seconds < 90, both
    code, message = EXPECTED[what]
    other = processes[1 - victim].returncode
    if (what, when) == ("signalled", "loop"):
        # They agree on a step, save and stop.
        assert [process.returncode for process in processes] == [UNFINISHED] * 2, both
        assert "stopped after step 10 of 100000" in both
        assert (tmp_path / "checkpoints" / "10").is_dir()
        return
    doing = "opening the data" if when == "before" else "loading the data of step 5"
    assert processes[victim].returncode == code, both
    assert re.search(message.format(i=victim, doing=doing), outputs[victim]), both
    assert other == (1 if what == "raises" else UNFINISHED), both
    cause = message.format(i=victim, doing=doing) or rf"process {victim} of 2 on \S+: {DIED}"
    named = rf"process {1 - victim} of 2 on \S+: another process has ended: {cause}"
    assert re.search(named, outputs[1 - victim]), both


@pytest.mark.slow
def test_no_coordinator(smoke, tmp_path):
    """Process 1 alone: nobody answers."""
    first, second = start_two(
        "encoder", smoke("encoder"), tmp_path, variables={"AUDIOGEN_CONNECT_SECONDS": "6"}
    )
    first.kill()
    first.communicate()
    output = second.communicate(timeout=60)[0].decode()
    assert second.returncode == 1, output
    assert re.search(r"process 1 of 2 on \S+: --distributed: after 6 s no coordinator at", output)
