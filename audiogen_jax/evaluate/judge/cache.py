"""Keeps a trained judge in a folder, under a name made of everything that shaped it."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from audiogen_jax.evaluate.judge.network import Judge
from audiogen_jax.evaluate.judge.tasks import Task
from audiogen_jax.evaluate.judge.training import JudgeTraining, train_judge
from audiogen_jax.evaluate.recordings import Recording, teaching
from audiogen_jax.files.atomic import written_atomically
from audiogen_jax.files.content_hashes import check_contents, record_contents

VERSION = 1
"""Of the judge's features, network and training: counted up when one of them changes."""


def cached_judge(
    recordings: Sequence[Recording],
    folder: str | Path,
    training: JudgeTraining | None = None,
) -> Judge:
    """The judge that `train_judge` makes of these recordings, trained once per folder.

    Args:
      recordings: real clips; those of the training split teach.
      folder: made if missing.
      training: how it is trained.

    Raises:
      ValueError: no clip teaches any task.
      OSError: the folder cannot be written.
    """
    training = training or JudgeTraining()
    path = Path(folder) / f"judge-{_fingerprint(recordings, training)}.safetensors"
    if not path.is_file():
        save_judge(path, train_judge(recordings, training))
    return load_judge(path)


def save_judge(path: Path, judge: Judge) -> None:
    """Writes a judge: parameters, and its tasks in the metadata."""
    tasks = json.dumps([dataclasses.asdict(task) for task in judge.tasks])
    flat = flatten_dict(judge.params, sep="/")
    tensors = {name: np.asarray(value) for name, value in flat.items()}
    with written_atomically(path) as temporary:
        save_file(tensors, temporary, {"tasks": tasks})
    record_contents(path.parent, [path.name])


def load_judge(path: str | Path) -> Judge:
    """Reads what `save_judge` wrote.

    Raises:
      ValueError: the file has changed since.
    """
    path = Path(path)
    check_contents(path.parent, [path.name])
    with safe_open(path, framework="numpy") as file:
        tasks = json.loads(file.metadata()["tasks"])
    params = unflatten_dict(load_file(path), sep="/")
    return Judge(tuple(Task(task["name"], tuple(task["classes"])) for task in tasks), params)


def find_judge(source: str | Path) -> Judge:
    """A judge of the foreground that was trained before.

    Args:
      source: its file, or a folder that has one such.

    Raises:
      FileNotFoundError: there is none.
      ValueError: the folder has several, or the file has changed since it was written.
    """
    path = Path(source)
    if path.is_file():
        return load_judge(path)
    judges = {each: load_judge(each) for each in sorted(path.glob("judge-*.safetensors"))}
    judges = {each: judge for each, judge in judges.items() if judge.tasks[0].name != "background"}
    if not judges:
        raise FileNotFoundError(
            f"no judge at {path}: `audiogen evaluate MANIFEST --part generation --cache {path}` "
            "trains one on real recordings"
        )
    if len(judges) > 1:
        raise ValueError(f"{path} has several judges, name one: {', '.join(map(str, judges))}")
    return judges.popitem()[1]


def _fingerprint(recordings: Sequence[Recording], training: JudgeTraining) -> str:
    settings = {"version": VERSION, **dataclasses.asdict(training)}
    digest = hashlib.sha256(json.dumps(settings).encode())
    for clip in teaching(recordings):
        facts = [clip.audio_id, clip.label, clip.views, clip.sample_rate]
        digest.update(json.dumps(facts).encode())
        digest.update(clip.samples.tobytes())
    return digest.hexdigest()[:16]
