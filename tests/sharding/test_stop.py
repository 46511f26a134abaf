"""Signals end a process with 75 and a line, whatever it waits for, unless a handler takes over."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from audiogen_jax.sharding.stop import SIGNALS, UNFINISHED, ended_by_signals

WAIT = """
import ctypes, sys, time
from audiogen_jax.sharding.stop import ended_by_signals, name_process
name_process(1, 2)

def blocked():
    '''For ever, in C: Python never gets to run a handler.'''
    libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)

with ended_by_signals("start again\\n to go on"):
    print("ready", flush=True)
    {wait}
"""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("wait", ["time.sleep(60)", "blocked()"])
def test_signals(wait: str, number: signal.Signals):
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT.format(wait=wait)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == UNFINISHED == os.EX_TEMPFAIL
    assert errors.startswith("audiogen: process 1 of 2 on ")
    assert errors.endswith(f": stopped by {number.name}: start again to go on\n")


def test_handlers_inside_take_over():
    before, received = signal.getsignal(signal.SIGTERM), []
    with ended_by_signals("start again"):
        outer = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
        os.kill(os.getpid(), signal.SIGTERM)
        signal.signal(signal.SIGTERM, outer)
    assert received == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before
    assert not [thread for thread in threading.enumerate() if thread.name == "signals"]


TAKEN = """
import os, signal, time
from audiogen_jax.sharding.stop import ended_by_signals
from audiogen_jax.train.interruption import Interruption
with ended_by_signals("start again"):
    for attempt in range(200):
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGTERM)
            while not interruption.requested:
                pass
            # Its handler is gone by now; the thread may only now see the signal.
            time.sleep(0.0005 * (attempt % 3))
    print("ready", flush=True)
    with Interruption():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
"""


def test_a_training_takes_the_first_signal_and_not_the_second():
    done = subprocess.run([sys.executable, "-c", TAKEN], capture_output=True, text=True, timeout=60)
    assert done.stdout == "ready\n", done.stderr
    assert done.returncode == UNFINISHED and "stopped by SIGTERM: start again" in done.stderr


def test_other_threads_set_no_handlers():
    before, inside = signal.getsignal(signal.SIGTERM), []

    def run() -> None:
        with ended_by_signals("start again"):
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert inside == [before]
