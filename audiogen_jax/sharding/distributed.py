"""Several processes as one program."""

import contextlib
import logging
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

from audiogen_jax.sharding.peers import Hub, Spoke
from audiogen_jax.sharding.stop import UNFINISHED, leave, name_process, process_name

VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
LAUNCHERS = (
    ("JAX_PROCESS_ID", "JAX_NUM_PROCESSES"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("JOB_COMPLETION_INDEX", "JAX_NUM_PROCESSES"),
)
"""Variables of the environment: index of a process, number of processes."""
CONNECT = "AUDIOGEN_CONNECT_SECONDS"
"""Variable of the environment: how long processes wait for each other at the start."""
CONNECT_SECONDS = 50.0
HEARTBEAT_SECONDS = 30
"""A process that was not heard of for so long is taken for dead, and jax aborts the others, where
`peers` has not ended them before."""
NAMING_SECONDS = HEARTBEAT_SECONDS + 10
"""How long a failed step waits to hear which process has died."""
_MESSAGE_BYTES = 4096

_peers: Hub | Spoke | None = None
"""The connection of this process to the others."""


def initialize() -> None:
    """Joins the processes of one job; call it once, before anything touches a device.

    With JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and JAX_PROCESS_ID in the
    environment these say who takes part; without them jax asks the cluster (SLURM, Open MPI,
    Kubernetes, TPU VMs). A process that the others do not join within AUDIOGEN_CONNECT_SECONDS
    ends with exit code 1.

    Raises:
      ValueError: the environment is incomplete, or no cluster is found.
    """
    address, count, index = _environment()
    seconds = _connect_seconds()
    if index is not None and count is not None:
        name_process(index, count)
    # jax's own handler of SIGTERM tells the other processes and leaves this one running.
    jax.config.update("jax_enable_preemption_service", False)
    # jax aborts without a word of ours, and only after twice its time.
    alarm = threading.Timer(seconds, _not_joined, (address, seconds))
    alarm.daemon = True
    alarm.start()
    try:
        jax.distributed.initialize(
            address,
            count,
            index,
            initialization_timeout=int(seconds) + 60,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"--distributed: no cluster found ({reason}); set {', '.join(VARIABLES)}"
        ) from error
    finally:
        alarm.cancel()
    name_process(jax.process_index(), jax.process_count())
    if jax.process_count() > 1:
        _connect_peers(address)
    logging.info("%s has joined", process_name())


def launched_process() -> tuple[int, int]:
    """Which process this is, and of how many, by its launcher; they need not join one another.

    The variables of jax, SLURM, Open MPI and indexed jobs of Kubernetes are looked at, then the
    hosts of a TPU slice.

    Raises:
      ValueError: none of them knows of several processes, or a variable is no such number.
    """
    for index, count in LAUNCHERS:
        if index in os.environ and count in os.environ:
            values = os.environ[index], os.environ[count]
            if not all(value.isdigit() for value in values) or not int(values[0]) < int(values[1]):
                raise ValueError(
                    f"--distributed: {index}={values[0]} {count}={values[1]}: expected an index "
                    "below a number of processes"
                )
            return int(values[0]), int(values[1])
    if jax.process_count() > 1:
        return jax.process_index(), jax.process_count()
    known = ", ".join(f"{index} and {count}" for index, count in LAUNCHERS)
    raise ValueError(f"--distributed: no launcher found; set {known}, or give --share I/N")


def _environment() -> tuple[str | None, int | None, int | None]:
    """Address of the coordinator, number of processes and index, or nothing of them."""
    values = [os.environ.get(name) for name in VARIABLES]
    address, count, index = values
    if address is None:
        return None, None, None
    if not (address and count and index):
        missing = [name for name, value in zip(VARIABLES, values, strict=True) if not value]
        raise ValueError(f"--distributed: {missing} must be set beside {VARIABLES[0]}")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{VARIABLES[0]}={address!r}: expected host:port, such as node0:8476")
    if not (count.isdigit() and index.isdigit() and int(index) < int(count)):
        raise ValueError(
            f"{VARIABLES[1]}={count} {VARIABLES[2]}={index}: expected a number of processes and an "
            "index below it"
        )
    return address, int(count), int(index)


def _connect_seconds() -> float:
    text = os.environ.get(CONNECT, str(CONNECT_SECONDS))
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError(f"{CONNECT}={text!r}: expected seconds") from None
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{CONNECT}={text!r}: expected seconds above 0")
    return seconds


def _not_joined(address: str | None, seconds: float) -> None:
    reason = "the processes have not all joined"
    if address is not None:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=3).close()
            reason = f"the coordinator at {address} answers, but not all processes have joined it"
        except OSError as error:
            reason = f"no coordinator at {address} ({error.strerror or error}): is it the address "
            reason += f"of process 0 ({VARIABLES[0]}), and does that one run?"
    leave(f"--distributed: after {seconds:g} s {reason} ({CONNECT} is the time to wait)", 1)


def _connect_peers(address: str | None) -> None:
    """From now on this process hears of the end of any other."""
    global _peers
    if jax.process_index() == 0:
        names = [socket.gethostname(), socket.getfqdn()]
        with contextlib.suppress(OSError):
            names.append(socket.gethostbyname(names[0]))
        _peers = Hub([address.rpartition(":")[0].strip("[]"), *names] if address else names)
        _from_first_process(_peers.address)
        return
    try:
        _peers = Spoke(_from_first_process(""))
    except OSError as error:
        logging.warning(
            "%s hears of lost processes from jax alone: no connection to process 0 (%s)",
            process_name(),
            error,
        )


@contextlib.contextmanager
def ended_together() -> Iterator[None]:
    """Ends this process when the block raises, without waiting for the others at a barrier.

    A line on stderr names it and the cause, also in the others, which `peers` ends. Does nothing
    for one process.
    """
    try:
        yield
        if _peers is not None:
            _peers.finish()
    except (ValueError, OSError) as error:
        if jax.process_count() == 1:
            raise
        leave(str(error), 2)
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        if "RESOURCE_EXHAUSTED" in str(error):
            leave(str(error), 1)
        # Mostly another process has gone; this one is ended as soon as it is known which.
        print(f"audiogen: {process_name()}: {error}", file=sys.stderr, flush=True)
        time.sleep(NAMING_SECONDS)
        leave(f"a step over all processes failed: {error}", UNFINISHED)
    except Exception as error:
        if jax.process_count() == 1:
            raise
        traceback.print_exc()
        leave(f"{type(error).__name__}: {error}", 1)


def any_process(flag: bool) -> bool:
    """Is it true on one of the processes? All of them must ask at the same step."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.array(flag))))


def over_processes(value: float) -> float:
    """The sum of the values of all processes, which must call it at the same step."""
    if jax.process_count() == 1:
        return value
    return float(np.sum(multihost_utils.process_allgather(np.array(value))))


def on_first_process(action: Callable[[], object]) -> None:
    """Runs something on process 0; all processes must call it, and raise what it raises.

    Raises:
      ValueError, OSError: of the action; a ValueError on the other processes.
    """
    error: Exception | None = None
    if jax.process_index() == 0:
        try:
            action()
        except (ValueError, OSError) as raised:
            error = raised
    if jax.process_count() > 1:
        message = _from_first_process(str(error) if error else "")
        if message and not error:
            raise ValueError(message)
    if error:
        raise error


def _from_first_process(text: str) -> str:
    """The text of process 0, cut, in all processes, which must call it together."""
    data = np.zeros(_MESSAGE_BYTES, np.uint8)
    encoded = text.encode()[:_MESSAGE_BYTES]
    data[: len(encoded)] = np.frombuffer(encoded, np.uint8)
    data = np.asarray(multihost_utils.broadcast_one_to_all(data), np.uint8)
    return data.tobytes().rstrip(b"\0").decode(errors="replace")
