"""A language model behind an HTTP endpoint in the shape of OpenAI's chat completions.

llama.cpp, vLLM, Ollama and hosted services speak it; no client package is needed.
"""

import http.client
import json
import math
import os
import queue
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from audiogen_jax.scalars import as_integer, as_number

LONGEST_WAIT = 86_400.0
"""Seconds that a time-out may have."""
MAX_BYTES = 1 << 20
"""Of a response: an answer has some hundreds."""
_BLOCK = 1 << 14
_REFUSED = (400, 413, 415, 422)
_WRONG = (401, 403, 404, 405)


class RefusedError(ValueError):
    """A model does not answer this; it may answer something else."""


class TransientError(OSError):
    """A model does not answer now."""


class Reply(NamedTuple):
    """What a model answers.

    Attributes:
      text: its words.
      prompt_tokens, completion_tokens: read and written, as far as the endpoint says; else 0.
      cost: in the currency of the endpoint, where it says (`usage.cost`); else None.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    cost: float | None


class ChatEndpoint:
    """Asks an endpoint; no answer takes longer than the time-out, however slowly it drips."""

    def __init__(self, url: str, model: str, *, key: str, timeout: float = 60.0):
        """Nothing is asked yet.

        Args:
          url: up to "/v1", such as http://localhost:8000/v1.
          model: that is to answer.
          key: the environment variable that holds the endpoint's key, where it wants one.
          timeout: seconds for an answer, all of it.

        Raises:
          ValueError: no such address, or no model or time.
        """
        self._address = _address(url)
        if not model.strip():
            raise ValueError(f"endpoint {url}: name the model that answers")
        if not 0 < timeout <= LONGEST_WAIT:
            raise ValueError(
                f"timeout={timeout}: expected seconds above 0, {LONGEST_WAIT:g} at most"
            )
        self.url = url
        self.model = model
        self._key = key
        self._timeout = timeout

    def complete(self, messages: Sequence[Mapping[str, object]], **fields: object) -> Reply:
        """The answer to some messages.

        Args:
          messages: of a conversation, as the API has them.
          **fields: others of the request, such as temperature.

        Raises:
          TransientError: ask again later.
          RefusedError: it does not answer this.
          ValueError: it answers nothing, as of a wrong address or key.
        """
        body = {"model": self.model, "messages": list(messages), **fields}
        return _reply(self._post(json.dumps(body).encode()))

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self._key, "").strip():
            if not (key.isascii() and key.isprintable()):
                raise ValueError(f"the key in {self._key} has characters that no header holds")
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self._address, body, headers, method="POST")
        answers: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._exchange(request))
            except Exception as error:
                answers.put(error)

        # Time-outs of sockets are for each piece of an answer, and not for names and headers.
        threading.Thread(target=ask, daemon=True).start()
        try:
            answer = answers.get(timeout=self._timeout)
        except queue.Empty:
            raise self._too_late() from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _exchange(self, request: urllib.request.Request) -> bytes:
        end = time.monotonic() + self._timeout
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            try:
                with opener.open(request, timeout=self._timeout) as response:
                    return self._read(response, end)
            except urllib.error.HTTPError as error:
                with error:
                    said = error.read(200).decode("utf-8", "replace")
                raise self._failure(error, said) from error
        except TransientError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"{self._address}: {error or type(error).__name__}") from error

    def _failure(self, error: urllib.error.HTTPError, said: str) -> Exception:
        message = f"{self._address} answers {error.code}: {' '.join(said.split())[:120]}"
        if 300 <= error.code < 400:
            other = error.headers.get("Location", "")
            return ValueError(
                f"{self._address} answers {error.code}: give the address {other!r:.200}"
            )
        if error.code in _WRONG:
            return ValueError(f"{message} (a key is read from {self._key})")
        return (RefusedError if error.code in _REFUSED else TransientError)(message)

    def _too_late(self) -> TransientError:
        return TransientError(f"{self._address}: no answer within {self._timeout:g} s")

    def _read(self, response: http.client.HTTPResponse, end: float) -> bytes:
        read = bytearray()
        while block := response.read1(_BLOCK):
            read += block
            if len(read) > MAX_BYTES:
                raise RefusedError(f"{self._address} answers more than {MAX_BYTES} bytes")
            if time.monotonic() > end:
                raise self._too_late()
        return bytes(read)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An address elsewhere would be asked without the question, and given the key."""

    def redirect_request(self, *_: object) -> None:
        return None


def _address(url: str) -> str:
    """Where an endpoint is asked.

    Raises:
      ValueError: no such address.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError(f"endpoint {url!r}: expected http://HOST/v1 or https://HOST/v1")
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError(f"endpoint {url!r}: it has characters that no address holds")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"endpoint {url!r}: {error}") from None
    return parts._replace(path=f"{parts.path.rstrip('/')}/chat/completions", fragment="").geturl()


def _reply(response: bytes) -> Reply:
    try:
        completion = json.loads(response)
        message = completion["choices"][0]["message"]
        refusal, content = message.get("refusal"), message.get("content")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise TransientError(f"no chat completion in {response[:80]!r}") from error
    if refusal:
        raise RefusedError(f"the model declines: {str(refusal)[:120]}")
    if isinstance(content, list):  # in parts
        texts = (part.get("text") for part in content if isinstance(part, Mapping))
        content = "".join(text for text in texts if isinstance(text, str))
    if not isinstance(content, str):
        raise TransientError(f"the answer is no text: {content!r:.80}")
    usage = completion.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    tokens = [as_integer(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")]
    read, written = (max(0, count or 0) for count in tokens)
    cost = as_number(usage.get("cost"))
    return Reply(
        content, read, written, cost if cost is not None and 0 <= cost < math.inf else None
    )
