"""A model behind an HTTP endpoint in the shape of OpenAI's chat completions, as a judge."""

import base64
from collections.abc import Mapping

from audiogen_jax.chat import ChatEndpoint

KEY = "AUDIOGEN_JUDGE_KEY"
"""The environment variable that holds the key of the endpoint, where it wants one."""
MAX_TOKENS = 256


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
        if at_once < 1:
            raise ValueError(f"at_once={at_once}: expected at least 1")
        self._endpoint = ChatEndpoint(url, model, key=KEY, timeout=timeout)
        self.at_once = at_once
        self.identity: Mapping[str, object] = {"judge": url, "model": model}

    def ask(self, text: str, wav: bytes, attempt: int) -> str:
        """See `ListeningJudge.ask`."""
        sound = {"data": base64.b64encode(wav).decode(), "format": "wav"}
        content = [
            {"type": "text", "text": text},
            {"type": "input_audio", "input_audio": sound},
        ]
        return self._endpoint.complete(
            [{"role": "user", "content": content}],
            temperature=0 if attempt == 0 else 1,
            seed=attempt,
            max_tokens=MAX_TOKENS,
        ).text
