"""Tasks in the layout in which X-ARES publishes them: tar files of `KEY.wav|flac|…` and `KEY.json`.

A task is a folder, named like the task, with the tar files of its record at Zenodo.
"""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from audiogen_jax.evaluate.linear_evaluation.clips import Event, LabelledClip
from audiogen_jax.evaluate.linear_evaluation.tasks import Task
from audiogen_jax.files.audio import read_audio

AUDIO = ("flac", "mp3", "sox", "wav", "m4a", "ogg", "wma")


def has_data(task: Task, folder: str | Path) -> bool:
    """Are tar files of all splits of a task under this folder?"""
    here = Path(folder) / task.name
    return all(any(here.glob(pattern)) for pattern in task.splits.files)


def read_task(task: Task, folder: str | Path, sample_rate: int) -> Iterator[LabelledClip]:
    """Reads the clips of a task one after the other, split by split, in the order of the files.

    Args:
      task: of X-ARES.
      folder: that holds the folder of the task.
      sample_rate: to read them at, Hz; channels are averaged.

    Raises:
      FileNotFoundError: a split has no tar files.
      ValueError: a file that is not read, a clip without a label, or a split without clips.
    """
    here = Path(folder) / task.name
    for number, pattern in enumerate(task.splits.files):
        paths = sorted(here.glob(pattern))
        if not paths:
            raise FileNotFoundError(
                f"no {here / pattern}: {task.name} is at https://zenodo.org/records/{task.zenodo}"
            )
        clips = 0
        for path in paths:
            for key, audio, label in _samples(path):
                name = f"{path}, sample {key!r}"
                samples = read_audio(io.BytesIO(audio), sample_rate, name=name).samples[:, 0]
                answers, events = _answers(task, label, name)
                yield LabelledClip(key, samples, sample_rate, number, answers, events)
                clips += 1
        if not clips:
            raise ValueError(f"{here / pattern} holds no clips")


def _samples(path: Path) -> Iterator[tuple[str, bytes, object]]:
    """Key, audio file and parsed json of each sample, whose files follow each other."""
    key, files = None, {}
    try:
        with tarfile.open(path, "r:*") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                folder, _, name = member.name.rpartition("/")
                stem, _, kind = name.partition(".")
                if (folder, stem) != key:
                    if key is not None:
                        yield _sample(path, key, files)
                    key, files = (folder, stem), {}
                file = tar.extractfile(member)
                files[kind.lower()] = b"" if file is None else file.read()
    except tarfile.TarError as error:
        raise ValueError(f"{path} is no tar file, or cut short ({error}): restore it") from error
    if key is not None:
        yield _sample(path, key, files)


def _sample(
    path: Path, key: tuple[str, str], files: Mapping[str, bytes]
) -> tuple[str, bytes, object]:
    name = "/".join(filter(None, key))
    audio = [contents for kind, contents in files.items() if kind in AUDIO]
    if len(audio) != 1 or "json" not in files:
        raise ValueError(
            f"{path}, sample {name!r} has {sorted(files)}: expected one of {AUDIO} and json, the "
            "files of a sample one after the other"
        )
    try:
        return name, audio[0], json.loads(files["json"])
    except ValueError as error:
        raise ValueError(f"{path}, sample {name!r}: no json ({error})") from error


def _answers(task: Task, label: object, name: str) -> tuple[tuple[str, ...], tuple[Event, ...]]:
    """The classes of a clip, or its events."""
    if task.level == "frame":
        rows = label if isinstance(label, list) else [label]
        return (), tuple(event for row in rows for event in _events(task, row, name))
    if not isinstance(label, Mapping):
        raise ValueError(f"{name}: its json is a {type(label).__name__}, expected an object")
    if task.level == "retrieval":
        captions = tuple(text for text in label.values() if isinstance(text, str) and text.strip())
        if not captions:
            raise ValueError(f"{name}: its json holds no captions")
        return captions, ()
    return _texts(task, label, name), ()


def _events(task: Task, row: object, name: str) -> Iterator[Event]:
    times = ("start", "end") if isinstance(row, Mapping) and "start" in row else ("onset", "offset")
    try:
        start, end = (float(row[time]) for time in times)  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        raise ValueError(f"{name}: the event {row!r:.60} has no {' and '.join(times)}") from None
    if not 0 <= start <= end:
        raise ValueError(f"{name}: an event from {start} to {end} s")
    for answer in _texts(task, row, name):
        yield Event(start, end, answer)


def _texts(task: Task, row: object, name: str) -> tuple[str, ...]:
    value = row.get(task.label) if isinstance(row, Mapping) else None
    if not isinstance(value, str | int) or value == "":
        raise ValueError(f"{name}: {task.label!r} is {value!r:.40}, expected a label")
    text = str(value)
    return tuple(filter(None, text.split(task.separator))) if task.separator else (text,)
