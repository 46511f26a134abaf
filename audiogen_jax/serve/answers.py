"""Waiting for results, and audio as an answer."""

import asyncio
import base64
import concurrent.futures
import itertools
import json
import urllib.parse
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import TypeVar

import numpy as np
from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from jaxtyping import Float32

from audiogen_jax.files.delivery import Delivery
from audiogen_jax.files.provenance import Provenance
from audiogen_jax.files.streaming import delivered, delivered_samples
from audiogen_jax.infer.requests import Clip, ClipError
from audiogen_jax.serve.batcher import Batcher, Closed, Full
from audiogen_jax.serve.errors import ApiError
from audiogen_jax.serve.formats import (
    Format,
    encode,
    media_type,
    pcm,
    undeliverable,
    wav_header,
)

_Value = TypeVar("_Value")
_Future = concurrent.futures.Future
_HEADER = 4000
"""Characters of a header."""
_DELTA = 1 << 15
"""Bytes of audio in an event."""


def accepted(start: "Callable[[], _Future[_Value]]") -> "_Future[_Value]":
    """The future of something that is to be done.

    Raises:
      ApiError: nothing is accepted now.
    """
    try:
        return start()
    except Full as error:
        headers = {"Retry-After": str(error.retry_after)}
        raise ApiError(429, str(error), code="queue_full", headers=headers) from None
    except Closed:
        raise ApiError(503, "the server is about to end", code="shutting_down") from None


async def finished(request: Request, future: "_Future[_Value]", seconds: float) -> _Value:
    """The result, unless the client leaves or waits too long: then nothing more is done for it.

    Raises:
      ApiError: the deadline passed, or what was asked cannot be made.
    """
    waiting, left = asyncio.wrap_future(future), asyncio.ensure_future(_left(request))
    try:
        done, _ = await asyncio.wait(
            {waiting, left}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if waiting in done:
            return waiting.result()
        if left in done:
            raise ApiError(499, "the client left", code="client_left")
        raise ApiError(504, f"not finished within {seconds:g} s", code="deadline_exceeded")
    except ClipError as error:
        message = str(error).removeprefix("clip '0': ")
        raise ApiError(422, f"{message}; try another seed", code="generation_failed") from error
    except (ValueError, OSError) as error:
        raise ApiError(400, str(error), code="invalid_value") from error
    finally:
        left.cancel()
        waiting.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def audio_answer(
    clip: Clip,
    format: Format,
    provenance: Provenance,
    headers: Mapping[str, str] | None = None,
    like: str = "PCM_16",
    delivery: Delivery | None = None,
    time_reference: int = 0,
) -> Response:
    """A file of a clip, which says what made it; see `encode`."""
    rate = clip.sample_rate
    try:
        encoded = await asyncio.to_thread(
            encode, clip.audio, rate, format, provenance, like, delivery, time_reference
        )
    except ValueError as error:
        raise undeliverable(error) from error
    channels = encoded.samples.shape[1]
    about = about_audio(encoded.sample_rate, channels, provenance) | dict(headers or {})
    if encoded.gain_db:
        about["X-Gain-dB"] = f"{encoded.gain_db:.2f}"
    if encoded.changes:
        about["X-Changes"] = header("; ".join(encoded.changes))
    return Response(encoded.contents, media_type=media_type(format), headers=about)


def about_audio(rate: int, channels: int, provenance: Provenance) -> dict[str, str]:
    """Headers that say what a format without a header does not."""
    return {
        "X-Sample-Rate": str(rate),
        "X-Channels": str(channels),
        "X-Digital-Source-Type": provenance.source_type,
    }


def header(text: str) -> str:
    """Any text, as a header can hold it; of a long one whole characters of the beginning."""
    quoted = [urllib.parse.quote(each, safe=" !#$&'()*+,/:;=?@[]<>|\"") for each in text]
    lengths = itertools.accumulate(map(len, quoted))
    return "".join(quoted[: sum(length <= _HEADER for length in lengths)])


def event_answer(contents: bytes) -> Response:
    """Audio in server-sent events, as OpenAI's `stream_format="sse"`."""

    def events() -> Iterator[str]:
        for start in range(0, len(contents), _DELTA):
            audio = base64.b64encode(contents[start : start + _DELTA]).decode()
            yield _event({"type": "speech.audio.delta", "audio": audio})
        yield _event({"type": "speech.audio.done"})

    return StreamingResponse(events(), media_type="text/event-stream")


def _event(data: Mapping[str, str]) -> str:
    return f"data: {json.dumps(data)}\n\n"


async def streamed_answer(
    request: Request,
    batcher: Batcher,
    windows: Iterator[Float32[np.ndarray, "n ..."]],
    samples: int,
    rate: int,
    format: Format,
    deadline: float,
    provenance: Provenance,
    delivery: Delivery,
) -> Response:
    """A clip that is sent while it is made; the first window is waited for, as it may be an error.

    Args:
      request: of the client.
      batcher: has the windows made, each in its turn.
      windows: of the clip.
      samples: of all of it.
      rate: Hz.
      format: "wav" or "pcm".
      deadline: seconds for each window.
      provenance: what makes the clip.
      delivery: what is done to it, see `check_streamed`.
    """
    windows, samples = (
        delivered(windows, rate, delivery),
        delivered_samples(samples, rate, delivery),
    )
    rate = delivery.sample_rate or rate

    async def following(begun: bool = True) -> Float32[np.ndarray, "n ..."] | None:
        future = accepted(lambda: batcher.call(lambda: next(windows, None), begun))
        return await finished(request, future, deadline)

    first = await following(begun=False)
    assert first is not None
    channels = first.shape[1]

    async def chunks() -> AsyncIterator[bytes]:
        if format == "wav":
            yield wav_header(samples, channels, rate, provenance, delivery)
        window = first
        while window is not None:
            yield pcm(window)
            window = await following()

    about = about_audio(rate, channels, provenance)
    return StreamingResponse(chunks(), media_type=media_type(format), headers=about)
