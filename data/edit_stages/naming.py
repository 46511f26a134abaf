"""The sounds of a recording that an instruction can name."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Protocol

from audiogen_jax.input.manifest import AudioRecord

MOST = 3
"""Names of one recording."""
_PARTS = re.compile(
    r",|;|\.\s|\b(?:and then|and|then|while|with|over|as|followed by|along with|before|after)\b"
)
_OPENING = re.compile(
    r"^(?:the sounds? of|(?:a )?recording of|you can hear|there (?:is|are)|in the background)"
)
_LLM_SECONDS = 60.0


class Namer(Protocol):
    """Names what is heard in a recording."""

    def __call__(self, clip: AudioRecord) -> Sequence[str]:
        """Noun phrases, none twice; none at all where nothing can be named."""
        ...


class CaptionNamer:
    """From what the manifest says: the views of sounds, else the parts of the caption.

    A caption is cut at its commas and conjunctions, which is no parser: captions that list what is
    heard ("a dog barking and rain") come out well, those that tell a story do not.
    """

    def __call__(self, clip: AudioRecord) -> Sequence[str]:
        """See `Namer`."""
        texts = [clip.views[view][0] for view in ("sfx", "env", "music") if clip.views.get(view)]
        if not texts and clip.views.get("caption"):
            texts = [clip.views["caption"][0]]
        names = [name for text in texts for part in _PARTS.split(text) if (name := _phrase(part))]
        if not names and clip.label:
            names = [clip.label.replace("_", " ")]
        return [*dict.fromkeys(names)][:MOST]


class LanguageModelNamer:
    """Asks a language model behind an endpoint of the form of OpenAI's chat completions."""

    def __init__(self, url: str, model: str):
        """Args: such as "http://localhost:8000/v1", and the name of a model there."""
        self._url, self._model = f"{url.rstrip('/')}/chat/completions", model

    def __call__(self, clip: AudioRecord) -> Sequence[str]:
        """See `Namer`.

        Raises:
          OSError: nothing answers.
          ValueError: what answers is no list of names.
        """
        said = " ".join(f"{view}: {texts[0]}" for view, texts in clip.views.items())
        asked = (
            f"Name the sounding objects of this recording, at most {MOST}, each as a short noun "
            f"phrase such as 'a dog barking'. Answer with a JSON list of strings alone.\n{said}"
        )
        message = {"role": "user", "content": asked}
        body = {"model": self._model, "messages": [message], "temperature": 0, "seed": 0}
        request = urllib.request.Request(
            self._url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=_LLM_SECONDS) as response:
                answer = json.load(response)["choices"][0]["message"]["content"]
            names = json.loads(answer[answer.index("[") : answer.rindex("]") + 1])
        except urllib.error.URLError as error:
            raise OSError(f"no language model answers at {self._url}: {error}") from error
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(f"{self._url} answered with no JSON list of names: {error}") from error
        phrases = [_phrase(name) for name in names if isinstance(name, str)]
        return [*dict.fromkeys(filter(None, phrases))][:MOST]


def _phrase(text: str) -> str:
    text = _OPENING.sub("", text.strip(" .\n\t'\"").lower()).strip()
    return text if any(letter.isalpha() for letter in text) else ""
