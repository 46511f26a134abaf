"""A model behind an HTTP endpoint in the shape of OpenAI's chat completions, as a judge."""

import base64
import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping

from audiogen_jax.evaluate.listening.judge import RefusedError, TransientError

KEY = "AUDIOGEN_JUDGE_KEY"
"""The environment variable that holds the key of the endpoint, where it wants one."""
MAX_TOKENS = 256
MAX_BYTES = 1 << 20
"""Of a response: an answer has a hundred."""
_BLOCK = 1 << 14
_REFUSED = (400, 413, 415, 422)
_WRONG = (401, 403, 404, 405)


class EndpointJudge:
    """Asks an endpoint, with the sound as base64 WAV; no answer takes longer than the time-out."""

    def __init__(self, url: str, model: str, timeout: float = 60.0, at_once: int = 4):
        """Nothing is asked yet.

        Args:
          url: up to "/v1", such as http://localhost:8000/v1.
          model: that is to answer.
          timeout: seconds for an answer, all of it.
          at_once: questions under way at the same time.

        Raises:
          ValueError: no such address, or no model or time.
        """
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"judge {url!r}: expected http://HOST/v1 or https://HOST/v1")
        if not model.strip():
            raise ValueError(f"judge {url}: name the model that answers, --judge-model")
        if not 0 < timeout < float("inf"):
            raise ValueError(f"timeout={timeout}: expected seconds above 0")
        if at_once < 1:
            raise ValueError(f"at_once={at_once}: expected at least 1")
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._timeout = timeout
        self.at_once = at_once
        self.identity: Mapping[str, object] = {"judge": url, "model": model}

    def ask(self, text: str, wav: bytes, attempt: int) -> str:
        """See `ListeningJudge.ask`."""
        sound = {"data": base64.b64encode(wav).decode(), "format": "wav"}
        content = [
            {"type": "text", "text": text},
            {"type": "input_audio", "input_audio": sound},
        ]
        body = {
            "model": self.identity["model"],
            "messages": [{"role": "user", "content": content}],
            "temperature": 0 if attempt == 0 else 1,
            "seed": attempt,
            "max_tokens": MAX_TOKENS,
        }
        return _answer(self._post(json.dumps(body).encode()))

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self._url, body, headers, method="POST")
        end = time.monotonic() + self._timeout
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:
                return self._read(response, end)
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(200).decode("utf-8", "replace")
            message = f"{self._url} answers {error.code}: {' '.join(said.split())[:120]}"
            if error.code in _WRONG:
                raise ValueError(f"{message} (a key is read from {KEY})") from error
            if error.code in _REFUSED:
                raise RefusedError(message) from error
            raise TransientError(message) from error
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"{self._url}: {error or type(error).__name__}") from error

    def _read(self, response: http.client.HTTPResponse, end: float) -> bytes:
        """All of a response, however slowly it drips."""
        read = bytearray()
        while block := response.read1(_BLOCK):
            read += block
            if len(read) > MAX_BYTES:
                raise RefusedError(f"{self._url} answers more than {MAX_BYTES} bytes")
            if time.monotonic() > end:
                raise TransientError(f"{self._url}: no answer within {self._timeout:g} s")
        return bytes(read)


def _answer(response: bytes) -> str:
    """The words of the model.

    Raises:
      RefusedError: it declines.
      TransientError: the response is no answer.
    """
    try:
        message = json.loads(response)["choices"][0]["message"]
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
    return content
