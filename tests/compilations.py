"""How many programs a block compiles."""

import contextlib
from collections.abc import Iterator

import jax.monitoring

EVENT = "/jax/core/compile/backend_compile_duration"


@contextlib.contextmanager
def counted_compilations() -> Iterator[list[str]]:
    """Gives a list that grows by the name of each program that XLA is asked for meanwhile."""
    programs: list[str] = []

    def listen(event: str, seconds: float, **details: str | int) -> None:
        if counting and event == EVENT:
            programs.append(str(details.get("fun_name", "")))

    counting = True
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield programs
    finally:
        counting = False  # listeners stay for good
