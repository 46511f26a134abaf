"""Sides of a benchmark as processes: one waits while the other is measured."""

import importlib
import multiprocessing
import os
import time
import traceback
from pathlib import Path
from typing import Any, Self

SIDES = {
    "ours": ("audiogen_side", "Ours"),
    "torch": ("baseline", "Baseline"),
    "our network": ("omni_sides", "OurNetwork"),
    "torch network": ("omni_sides", "TorchNetwork"),
    "our thinker": ("omni_sides", "OurThinker"),
    "torch thinker": ("omni_sides", "TorchThinker"),
}
"""Modules and classes of sides."""


class Worker:
    """An object in a process of its own; use as a context manager.

    Attributes:
      load_seconds: how long the object took to make, imports left out.
    """

    def __init__(self, side: str, threads: int, **options: Any):
        """Starts the process and waits until the object is there.

        Args:
          side: a key of `SIDES`.
          threads: processor cores that the process may run on.
          options: for the object.
        """
        spawn = multiprocessing.get_context("spawn")
        self._connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(side, threads, options, theirs))
        self._process.start()
        theirs.close()
        self.load_seconds: float = self._receive()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._connection.close()
        self._process.join()

    def run(self, method: str, *args: Any) -> Any:
        """Calls a method there and returns what it returns."""
        self._connection.send((method, args))
        return self._receive()

    def memory(self) -> dict[str, int]:
        """Bytes resident now, at most so far, and before the object was made."""
        return self.run("memory")

    def _receive(self) -> Any:
        try:
            result, error = self._connection.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"the process ended with {self._process.exitcode}") from None
        if error is not None:
            raise RuntimeError(f"in the benchmark's process:\n{error}")
        return result


def _serve(side: str, threads: int, options: dict[str, Any], connection: Any) -> None:
    # XLA starts a thread for every core that it may use.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    try:
        module, name = SIDES[side]
        kind = getattr(importlib.import_module(f"tests.benchmarks.{module}"), name)
        if side.startswith("torch"):
            options = {"threads": threads, **options}
        imported = _resident()["VmRSS"]
        start = time.perf_counter()
        served = kind(**options)
        connection.send((time.perf_counter() - start, None))
    except Exception:
        connection.send((None, traceback.format_exc()))
        return
    while True:
        try:
            method, args = connection.recv()
        except EOFError:
            return
        try:
            if method == "memory":
                now = _resident()
                result: Any = {"now": now["VmRSS"], "peak": now["VmHWM"], "imported": imported}
            else:
                result = getattr(served, method)(*args)
            connection.send((result, None))
        except Exception:
            connection.send((None, traceback.format_exc()))


def _resident() -> dict[str, int]:
    """Memory of this process in bytes, from Linux's /proc."""
    lines = Path("/proc/self/status").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines)
    return {k: int(v.split()[0]) * 1024 for k, v in pairs if k in ("VmRSS", "VmHWM")}
