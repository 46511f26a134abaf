"""Clips rated by a listening judge: answers kept on disk, failures counted."""

import concurrent.futures
import dataclasses
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from audiogen_jax.chat import RefusedError, TransientError
from audiogen_jax.evaluate.listening.judge import ListeningJudge
from audiogen_jax.evaluate.listening.rubric import AnswerError, question, read_answer
from audiogen_jax.files.atomic import write_bytes

ATTEMPTS = 4
"""How often a clip is asked of, at most."""
PAUSE = 1.0
"""Seconds before the second attempt, doubled before each further one."""
HOPELESS = 5
"""Clips that fail before one succeeds, after which no other is asked of."""


@dataclasses.dataclass(frozen=True)
class Sheet:
    """What the judge gets of a clip.

    Attributes:
      clip_id: of the clip.
      caption: what it should be.
      words: to be spoken; empty if none.
      wav: reads the clip as 16-bit WAV; many are too much for the memory.
    """

    clip_id: str
    caption: str
    words: str
    wav: Callable[[], bytes]

    @property
    def text(self) -> str:
        """What is asked."""
        return question(self.caption, self.words)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What judging would send.

    Attributes:
      clips: all of them.
      kept: clips whose ratings are on disk.
      bytes: of sound in the questions that are left, as they are sent.
    """

    clips: int
    kept: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Ratings:
    """What a judge said.

    Attributes:
      ratings: of each clip by id: criterion -> 1 to 5.
      failures: of the clips without ratings: why.
    """

    ratings: Mapping[str, Mapping[str, float]]
    failures: Mapping[str, str]

    def scores(self, model: str) -> dict[str, dict[str, float]]:
        """Each criterion and their mean, named after the model: name -> id -> rating."""
        scores: dict[str, dict[str, float]] = {}
        for clip, ratings in self.ratings.items():
            every = {**ratings, "mean": sum(ratings.values()) / len(ratings)}
            for criterion, rating in every.items():
                scores.setdefault(f"{criterion} ({model})", {})[clip] = rating
        return scores


class Answers:
    """Ratings on disk, by a hash of judge, question and sound; shared by any number of runs."""

    def __init__(self, folder: str | Path, judge: ListeningJudge):
        """Nothing is written yet.

        Args:
          folder: made if it does not exist.
          judge: whose answers they are.
        """
        self._folder = Path(folder)
        self._judge = json.dumps(dict(judge.identity), sort_keys=True)

    def get(self, sheet: Sheet, wav: bytes) -> dict[str, float] | None:
        """The ratings of a clip; None if there are none, or the file is damaged."""
        path = self._path(sheet, wav)
        try:
            return read_answer(path.read_text(encoding="utf-8"), sheet.words)
        except (OSError, ValueError):
            return None

    def put(self, sheet: Sheet, wav: bytes, ratings: Mapping[str, float]) -> None:
        """Keeps the ratings of a clip.

        Raises:
          OSError: the file cannot be written.
        """
        write_bytes(self._path(sheet, wav), json.dumps(ratings).encode())

    def _path(self, sheet: Sheet, wav: bytes) -> Path:
        digest = hashlib.sha256()
        for part in (self._judge.encode(), sheet.text.encode(), wav):
            digest.update(len(part).to_bytes(8, "big") + part)
        return self._folder / f"{digest.hexdigest()}.json"


def plan(sheets: Sequence[Sheet], answers: Answers) -> Plan:
    """What `rate` would send."""
    sizes = []
    for sheet in sheets:
        wav = sheet.wav()
        if answers.get(sheet, wav) is None:
            sizes.append(4 * -(-len(wav) // 3))  # in base64
    return Plan(len(sheets), len(sheets) - len(sizes), sum(sizes))


def rate(
    judge: ListeningJudge,
    sheets: Sequence[Sheet],
    answers: Answers,
    *,
    attempts: int = ATTEMPTS,
    pause: float = PAUSE,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Ratings:
    """Asks the judge of every clip whose ratings are not on disk.

    Args:
      judge: who is asked.
      sheets: of the clips.
      answers: where ratings are kept.
      attempts: how often each is asked of, where the answer is late or is none.
      pause: seconds before the second attempt.
      report: called with the clips done and all of them.

    Raises:
      ValueError: the judge answers of no clip.
      OSError: ratings cannot be written.
    """
    ratings: dict[str, Mapping[str, float]] = {}
    failures: dict[str, str] = {}
    stop = threading.Event()

    def ask(sheet: Sheet) -> dict[str, float]:
        wav = sheet.wav()
        kept = answers.get(sheet, wav)
        if kept is None:
            kept = _ask(judge, sheet, wav, attempts, pause, stop)
            answers.put(sheet, wav, kept)
        return kept

    with concurrent.futures.ThreadPoolExecutor(judge.at_once) as pool:
        asked = {pool.submit(ask, sheet): sheet.clip_id for sheet in sheets}
        try:
            for done, future in enumerate(concurrent.futures.as_completed(asked), 1):
                try:
                    ratings[asked[future]] = future.result()
                except (AnswerError, RefusedError, TransientError) as error:
                    failures[asked[future]] = str(error)
                if not ratings and len(failures) >= min(HOPELESS, len(sheets)):
                    raise ValueError(f"the judge answers of no clip: {[*failures.values()][-1]}")
                report(done, len(sheets))
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    order = [sheet.clip_id for sheet in sheets]
    return Ratings(
        {name: ratings[name] for name in order if name in ratings},
        {name: failures[name] for name in order if name in failures},
    )


def _ask(
    judge: ListeningJudge,
    sheet: Sheet,
    wav: bytes,
    attempts: int,
    pause: float,
    stop: threading.Event,
) -> dict[str, float]:
    for attempt in range(attempts):
        try:
            return read_answer(judge.ask(sheet.text, wav, attempt), sheet.words)
        except (AnswerError, TransientError) as error:
            if attempt + 1 == attempts or stop.is_set():
                raise
            if isinstance(error, TransientError):
                stop.wait(pause * 2**attempt)
    raise ValueError(f"attempts={attempts}: expected at least one")
