"""A server in this process, until a signal ends it."""

import contextlib
import signal
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from audiogen_jax.serve.service import Service
from audiogen_jax.serve.settings import ServeSettings
from audiogen_jax.sharding.stop import leave


def listen(settings: ServeSettings) -> socket.socket:
    """A socket at the address of the settings, on which nothing is accepted yet.

    Raises:
      OSError: the address is taken, or is none of this machine.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"cannot listen at {settings.host}:{settings.port}: {reason}") from None


def run(app: FastAPI, listening: socket.socket) -> None:
    """Serves until SIGTERM or SIGINT; what was accepted is finished first.

    Ends the process, with the exit code of unfinished work, if that takes too long.

    Args:
      app: from `create_app`.
      listening: from `listen`.
    """
    service: Service = app.state.service
    settings = service.settings
    config = uvicorn.Config(
        app,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(settings.drain)),
    )
    # uvicorn raises the signal again when it is done; by default that would be the end with 143.
    with _ignored(signal.SIGTERM), _ignored(signal.SIGINT):
        _Server(config).run(sockets=[listening])
    if not service.batcher.close(1):
        leave(f"not all that was accepted was finished within {settings.drain:g} s")


class _Server(uvicorn.Server):
    """Says where it listens when it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            print(f"serving at http://{shown}:{port}", flush=True)


@contextlib.contextmanager
def _ignored(number: signal.Signals):
    def nothing(number: int, frame: FrameType | None) -> None:
        """The server has acted on it."""

    before = signal.signal(number, nothing)
    try:
        yield
    finally:
        signal.signal(number, before)
