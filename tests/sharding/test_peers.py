"""However a process ends, all others end at once, name it and its cause, with the right code."""

import json
import subprocess
import sys

import pytest

from audiogen_jax.sharding.peers import DIED
from audiogen_jax.sharding.stop import UNFINISHED

PROCESS = """
import os, signal, sys, threading, time
from audiogen_jax.sharding import peers, stop
index, what = int(sys.argv[1]), sys.argv[2]
stop.name_process(index, 3)
if index == 0:
    process = peers.Hub(["nowhere.invalid", "localhost"])
    print(process.address, flush=True)
else:
    process = peers.Spoke(sys.argv[3])
    print("connected", flush=True)
sys.stdin.readline()
if what == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if what == "raised":
    stop.leave("the cause\\n of it", 2)
if what == "stopped":
    stop.leave("stopped by SIGTERM")
if what == "finished":
    process.finish()
    sys.exit()
time.sleep(60)
"""


def start(index: int, *arguments: str) -> tuple[subprocess.Popen, str]:
    """A process, and its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(index), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize(
    ("what", "code", "reason"),
    [
        ("killed", UNFINISHED, DIED),
        ("raised", 2, "the cause of it"),  # it would come again
        ("stopped", UNFINISHED, "stopped by SIGTERM"),
    ],
)
@pytest.mark.parametrize("victim", [0, 1])
def test_all_end(victim: int, what: str, code: int, reason: str):
    plans = ["wait"] * 3
    plans[victim] = what
    hub, address = start(0, plans[0])
    processes = [hub, *(start(index, plans[index], address)[0] for index in (1, 2))]
    _, errors = processes[victim].communicate("go\n", timeout=10)
    for index, process in enumerate(processes):
        if index != victim:
            _, errors = process.communicate(timeout=10)
            assert process.returncode == code
            assert errors.startswith(f"audiogen: process {index} of 3 on ")
            assert f"another process has ended: process {victim} of 3 on " in errors
            assert errors.endswith(f": {reason}\n")


def test_who_has_finished_is_not_missed():
    hub, address = start(0, "finished")
    others = [start(1, "finished", address)[0], start(2, "wait", address)[0]]
    for process in (hub, others[0]):
        assert process.communicate("go\n", timeout=10)[1] == ""
        assert process.returncode == 0
    assert others[1].poll() is None
    others[1].kill()
    assert others[1].communicate()[1] == ""


def test_strangers_are_not_heard():
    hub, address = start(0, "wait")
    name, token, *place = json.loads(address)
    stranger, _ = start(1, "raised", json.dumps([name, "0" * len(token), *place]))
    assert "OSError: what answers at port" in stranger.communicate(timeout=10)[1]
    other, _ = start(2, "raised", address)
    assert hub.poll() is None
    other.communicate("go\n", timeout=10)
    assert "process 2 of 3 on" in hub.communicate(timeout=10)[1]
