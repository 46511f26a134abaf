"""Cases of the golden thinkers as prompts: parts from the media and the ids that they became."""

import functools
import json
import re
import types

import numpy as np

from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.qwen_omni import load_thinker
from audiogen_jax.models.omni.resize import resize
from audiogen_jax.models.omni.thinker.inputs import Part, Pictures, Sound, thinker_inputs
from audiogen_jax.models.omni.thinker.pictures import Patches, patches
from audiogen_jax.models.omni.thinker.thinker import Thinker
from tests.parity.golden import FOLDER, golden

AUDIO_OMNI = FOLDER / "audio_omni"
VIDEOS = {  # case -> videos in the order of its rows
    "v2a": "AB",
    "av_chunks": "12",
    "av_short_audio": "2",
    "av_plus_audio": "1",
    "v_then_a_spg0.4": "13",
    "two_videos": "23",
    "bare_video": "",
    "image": "I",
}


def io(name: str) -> dict[str, np.ndarray]:
    """Tensors of audio_omni/<name>.io.safetensors."""
    return {k: np.asarray(v) for k, v in golden("audio_omni", f"{name}.io").items()}


def meta(name: str) -> dict:
    """What audio_omni/<name>.json says of them."""
    return json.loads((AUDIO_OMNI / f"{name}.json").read_text())


def formula(t: int, height: int, width: int, s: int) -> np.ndarray:
    """Frames [t y x 3] that the metadata give by this formula, with values from 0."""
    t_, c, y, x = np.indices((t, 3, height, width))
    value = 3 * x + 5 * y + 40 * t_ + 60 * c + (x * y) // 7
    value = value + (x * x + 3 * y * y + 11 * t_ + 7 * c) % 23 + s
    return (value % 256).astype(np.uint8).transpose(0, 2, 3, 1)


def stated(text: str, **only: str) -> dict[str, int]:
    """Sizes that the metadata state in words: "T 4, 224 x 224, s 5", "to 336 x 336".

    Args:
      text: of the metadata.
      **only: a name -> an expression with one number, in the place of those.
    """
    if not only:
        only = {"t": r"T (\d+)", "height": r"(\d+) x", "width": r"x (\d+)", "s": r"s (\d+)"}
    found = {name: re.search(pattern, text) for name, pattern in only.items()}
    return {name: int(match[1]) for name, match in found.items() if match}


@functools.cache
def thinker(name: str):
    """(model, parameters as they are used) of a golden thinker."""
    config, params = load_thinker(CheckpointFolder(AUDIO_OMNI / name), "float32", stacked=False)
    return Thinker(config), params


def parts(config, ids, sounds, videos, seconds, together: bool) -> list[Part]:
    """The parts that ids without padding were made of; media are taken from the iterators."""
    opening = config.vision_start_token_id, config.audio_start_token_id
    found: list[Part] = []
    ids = ids.tolist()
    while ids:
        first = next((i for i, token in enumerate(ids) if token in opening), len(ids))
        if first:
            found.append(ids[:first])
        ids = ids[first:]
        if not ids:
            break
        seen = ids[0] == config.vision_start_token_id
        end = ids.index(config.vision_end_token_id if seen else config.audio_end_token_id) + 1
        body, ids = ids[:end], ids[end:]
        if not seen:
            found.append(Sound(next(sounds)))
            continue
        still = config.image_token_index in body
        clip = next(videos)
        step = None if still else next(seconds)
        found.append(Pictures(clip, step, Sound(next(sounds)) if together else None))
    return found


def clips(config) -> dict[str, Patches]:
    """The videos and the picture of thinker_av, as the vision tower reads them."""
    tensors = io("thinker_av")
    frames = {n: tensors[f"in.frames_s{n}"].transpose(0, 2, 3, 1) for n in "123"}
    for name, made in (("A", "release"), ("B", "wide")):
        text = meta("vision")["inputs"][made]
        frames[name] = resize(formula(**stated(text["frames"])), **stated(text["resize"]))
    frames["I"] = tensors["in.frames_image"][None]
    return {name: patches(value, config.vision) for name, value in frames.items()}


@functools.cache
def case(name: str) -> types.SimpleNamespace:
    """A case of thinker_av: its inputs built from the parts, and the golden tensors."""
    model, params = thinker("thinker_av_tiny")
    tensors = {key.split(f".{name}.", 1)[1]: value
               for key, value in io("thinker_av").items() if f".{name}." in key}  # fmt: skip
    mask = tensors["attention_mask"].astype(bool)
    frames = tensors.get("feature_attention_mask", np.zeros((0, 0))).sum(axis=1)
    mel = zip(tensors.get("input_features", ()), frames, strict=True)
    sounds = iter([each[:, : int(count)].T for each, count in mel])
    videos = iter([clips(model.config)[video] for video in VIDEOS[name]])
    seconds = iter(tensors.get("video_second_per_grid", np.zeros(0)).tolist())
    prompts = [
        parts(model.config, row[valid], sounds, videos, seconds, name.startswith("av"))
        if VIDEOS[name] else [row[valid].tolist()]
        for row, valid in zip(tensors["input_ids"], mask, strict=True)
    ]  # fmt: skip
    inputs = thinker_inputs(model.config, prompts)
    return types.SimpleNamespace(
        inputs=inputs, golden=tensors, mask=mask, model=model, params=params, prompts=prompts
    )


def distance(actual, expected) -> float:
    """Largest absolute difference."""
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    difference = np.asarray(actual, np.float64) - np.asarray(expected, np.float64)
    return float(np.abs(difference).max())


def rows(values, mask) -> np.ndarray:
    """The valid positions of every row, one behind another, wherever the padding stands."""
    values, mask = np.asarray(values), np.asarray(mask)
    return np.concatenate([row[valid] for row, valid in zip(values, mask, strict=True)])
