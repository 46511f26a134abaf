"""What Prometheus reads."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120, 300)


class Metrics:
    """Counts of a server, in a registry of its own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "audiogen_requests",
            "Requests that were answered.",
            ("path", "status"),
            registry=registry,
        )
        self._latency = Histogram(
            "audiogen_request_seconds",
            "From a request to the end of its answer.",
            ("path",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._batches = Histogram(
            "audiogen_batch_size",
            "Requests that were worked on together.",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=registry,
        )
        self._work = Counter(
            "audiogen_work_seconds", "That the models were at work.", registry=registry
        )
        self._audio = Counter(
            "audiogen_audio_seconds", "Of audio that was made.", registry=registry
        )
        self._waiting = Gauge(
            "audiogen_waiting", "Requests that are accepted and not finished.", registry=registry
        )

    def watch_queue(self, waiting: Callable[[], float]) -> None:
        """Has the length of the queue asked for when it is read."""
        self._waiting.set_function(waiting)

    def of_request(self, path: str, status: int, seconds: float) -> None:
        """Counts an answer."""
        self._requests.labels(path, str(status)).inc()
        self._latency.labels(path).observe(seconds)

    def of_batch(self, size: int, seconds: float) -> None:
        """Counts a batch."""
        self._batches.observe(size)
        self._work.inc(seconds)

    def of_audio(self, seconds: float) -> None:
        """Counts audio."""
        self._audio.inc(seconds)

    def text(self) -> bytes:
        """In the text format of Prometheus."""
        return generate_latest(self._registry)


class Measured:
    """Counts the answers of an app."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        start, status = time.monotonic(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            # Of the routes alone: what else clients ask for would make names without end.
            path = getattr(scope.get("route"), "path", "other")
            self._metrics.of_request(path, status, time.monotonic() - start)
