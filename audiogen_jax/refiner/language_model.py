"""Sentences to shots by a large language model behind an endpoint."""

import json
import re
import time
from collections.abc import Mapping

from audiogen_jax.caption import VIEWS, StructuredCaption
from audiogen_jax.chat import ChatEndpoint, RefusedError, Reply, TransientError
from audiogen_jax.refiner.quotes import quotations
from audiogen_jax.refiner.shots import Shot, merged
from audiogen_jax.timeline import Event, event_ranges

ATTEMPTS = 3
PAUSE = 1.0
"""Seconds before the second attempt at an endpoint that is busy, doubled before the third."""
MAX_TOKENS = 2048
SHORTEST, LONGEST = 0.1, 600.0
"""Seconds of a shot that are believed."""
SHORTEST_EVENT = 0.01
"""Seconds of an event; times are written in milliseconds."""
_TEXT = {"type": ["string", "null"]}
_EVENT = {
    "type": "object",
    "properties": {
        "start": {"type": "number"},
        "end": {"type": "number"},
        "view": {"type": "string", "enum": list(VIEWS[1:])},
        "text": {"type": "string"},
    },
    "required": ["start", "end", "view", "text"],
    "additionalProperties": False,
}
_SHOT = {
    "type": "object",
    "properties": {
        "seconds": {"type": ["number", "null"]},
        "caption": {"type": "string"},
        **dict.fromkeys(VIEWS[1:], _TEXT),
        "events": {"type": "array", "items": _EVENT},
    },
    "required": ["seconds", *VIEWS, "events"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {"shots": {"type": "array", "items": _SHOT, "minItems": 1}},
    "required": ["shots"],
    "additionalProperties": False,
}
"""Of an answer (JSON Schema)."""
INSTRUCTIONS = """\
You turn a sentence into the description of a sound scene, as JSON: {"shots": [...]}.
A shot has: caption (one sentence: all that is heard), speech (voices: who, how, language), \
asr (only the words that are spoken aloud), sfx (sound events), music, env (place and ambience), \
seconds (null unless a length is asked for) and events (empty unless times are asked for: start \
and end in seconds of the shot, the view, its words). A view that is not heard is null. Invent \
nothing that the sentence does not imply. Words in quotation marks are spoken: repeat them \
exactly. One shot, unless the sentence tells of scenes one after another."""
EXAMPLES = (
    (
        'A man calmly says "seven" while a dog barks in the rain.',
        {
            "seconds": None,
            "caption": "A man calmly says the word seven while a dog barks in the rain.",
            "speech": "a calm man",
            "asr": "seven",
            "sfx": "a dog barking",
            "music": None,
            "env": "rain falling outside",
            "events": [],
        },
    ),
    (
        "Five seconds of a quiet street, a car horn at two seconds. No music.",
        {
            "seconds": 5,
            "caption": "A quiet street with a car horn.",
            "speech": None,
            "asr": None,
            "sfx": "a car horn",
            "music": None,
            "env": "a quiet street",
            "events": [{"start": 2, "end": 3, "view": "sfx", "text": "a car horn"}],
        },
    ),
)


class AnswerError(ValueError):
    """An answer is not what was asked for; what is wrong goes back to the model."""


class LanguageModelRefiner:
    """A `Refiner` that asks a language model, and says what it used.

    Attributes:
      replies: every answer so far, with its tokens.
    """

    def __init__(self, endpoint: ChatEndpoint, pause: float = PAUSE):
        """Nothing is asked yet.

        Args:
          endpoint: that answers.
          pause: seconds before the second attempt.
        """
        self._endpoint = endpoint
        self._pause = pause
        self._with_schema = True
        self.replies: list[Reply] = []

    def refine(self, text: str) -> StructuredCaption:
        """See `refiner.refine.refine`; of several shots, the views of all.

        Raises:
          RefusedError: the model declines, or its answers are no scene.
          TransientError: the endpoint does not answer.
          ValueError: the endpoint wants another address, model or key.
        """
        return merged(text, self.shots(text))

    def shots(self, text: str) -> list[Shot]:
        """The shots of a sentence, with lengths and times where it asks for them.

        Args:
          text: a sentence without tags.

        Raises:
          RefusedError: the model declines, or its answers are no scene.
          TransientError: the endpoint does not answer.
          ValueError: the endpoint wants another address, model or key.
        """
        conversation = _conversation(text)
        for attempt in range(ATTEMPTS):
            try:
                reply = self._ask(conversation, attempt)
            except TransientError:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(self._pause * 2**attempt)
                continue
            try:
                return read_shots(reply.text, text)
            except AnswerError as error:
                if attempt == ATTEMPTS - 1:
                    message = f"{self._endpoint.model} gives no scene: {error}"
                    raise RefusedError(message) from error
                conversation += [
                    {"role": "assistant", "content": reply.text[:MAX_TOKENS]},
                    {"role": "user", "content": f"{error}. Answer with the JSON alone."},
                ]
        raise AssertionError("every attempt returns or raises")

    def _ask(self, conversation: list[dict[str, str]], attempt: int) -> Reply:
        fields = {"temperature": 0.0 if attempt == 0 else 0.7, "max_tokens": MAX_TOKENS}
        if self._with_schema:
            named = {"name": "scene", "strict": True, "schema": SCHEMA}
            schema = {"type": "json_schema", "json_schema": named}
            try:
                return self._keep(
                    self._endpoint.complete(conversation, **fields, response_format=schema)
                )
            except RefusedError:  # a server that knows no schemas, or the model itself
                self._with_schema = False
        return self._keep(self._endpoint.complete(conversation, **fields))

    def _keep(self, reply: Reply) -> Reply:
        self.replies.append(reply)
        return reply


def _conversation(text: str) -> list[dict[str, str]]:
    messages = [{"role": "system", "content": INSTRUCTIONS}]
    for sentence, shot in EXAMPLES:
        messages.append({"role": "user", "content": sentence})
        messages.append({"role": "assistant", "content": json.dumps({"shots": [shot]})})
    return [*messages, {"role": "user", "content": text}]


def read_shots(answer: str, text: str) -> list[Shot]:
    """Reads what a model answers.

    Words that stand in quotation marks in the sentence are the ones that are spoken, whatever the
    model makes of them.

    Args:
      answer: one JSON object, which may stand in a code fence, among words, or behind thoughts.
      text: the sentence.

    Raises:
      AnswerError: it is no such JSON, or a view or a time is wrong; says which.
    """
    said = re.sub("<think>.*?</think>", "", answer, flags=re.DOTALL)
    try:
        value = json.loads(said[said.find("{") : said.rfind("}") + 1])
    except (ValueError, RecursionError) as error:
        raise AnswerError(f"this is no JSON: {error!s:.80}") from error
    listed = value.get("shots") if isinstance(value, Mapping) else None
    if not isinstance(listed, list) or not listed:
        raise AnswerError('expected {"shots": [...]} with at least one shot')
    shots = [_shot(item, number) for number, item in enumerate(listed, 1)]
    quoted = " ".join(text[start:end].strip(" \t\n,;") for start, end in quotations(text))
    said = " ".join(shot.caption.asr for shot in shots if shot.caption.asr)
    if quoted and _letters(said) != _letters(quoted):
        raise AnswerError(f"asr says {said!r:.80}, but the quoted words are {quoted!r:.200}")
    return shots


def _shot(item: object, number: int) -> Shot:
    where = f"shot {number}"
    if not isinstance(item, Mapping):
        raise AnswerError(f"{where} is no object")
    views = {view: item.get(view) for view in VIEWS}
    for view, words in views.items():
        if not (words is None or isinstance(words, str)):
            raise AnswerError(f"{view} of {where} is no text: {words!r:.60}")
    seconds, events = item.get("seconds"), item.get("events") or []
    if seconds is not None and not (_is_number(seconds) and SHORTEST <= seconds <= LONGEST):
        raise AnswerError(f"seconds of {where} is {seconds!r:.60}: {SHORTEST:g} to {LONGEST:g}")
    if not isinstance(events, list):
        raise AnswerError(f"events of {where} are no list: {events!r:.60}")
    try:
        caption = StructuredCaption(**{**views, "caption": views["caption"] or ""})
        timeline = tuple(Event(**event) for event in events)
    except (TypeError, ValueError) as error:
        raise AnswerError(f"{where}: {error}") from error
    for event in timeline:
        if event.view == "caption":
            raise AnswerError(f"{where}: an event of view caption")
        if getattr(caption, event.view) is None:
            raise AnswerError(f"{where}: an event of {event.view}, but that view is null")
        if event.end - event.start < SHORTEST_EVENT:
            raise AnswerError(f"{where}: {event} is shorter than {SHORTEST_EVENT:g} seconds")
        if seconds is not None and event.end > seconds:
            raise AnswerError(f"{where}: {event} ends after its {seconds:g} seconds")
    for event, words in event_ranges(caption.format(), timeline):
        if words is None:  # generators would refuse it
            view = getattr(caption, event.view)
            raise AnswerError(f"{where}: {event} is not in its {event.view}, {view!r:.80}")
    return Shot(caption, None if seconds is None else float(seconds), timeline)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
