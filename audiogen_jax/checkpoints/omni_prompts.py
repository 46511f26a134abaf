"""What reads prompts for trainings of Audio-Omni: the thinker, Synchformer and the wording.

A thinker alone will do, with the sizes of the published conditioners and without videos.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.config_file import has_config
from audiogen_jax.checkpoints.family import LoadedPrompts, PromptFamily
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.mapping import Put
from audiogen_jax.checkpoints.omni_family import (
    SYNCHFORMER,
    SYNCHFORMER_RELEASED,
    load_visual_features,
    tokenizer_folder,
)
from audiogen_jax.checkpoints.parameter_hash import params_sha256
from audiogen_jax.checkpoints.qwen_omni import load_thinker, read_thinker_config
from audiogen_jax.files.fingerprint import checkpoint_sha256, sha256
from audiogen_jax.input.byte_pairs import FILES, BytePairTokenizer
from audiogen_jax.models.omni.config import OmniConfig
from audiogen_jax.models.omni.generator import AudioOmni
from audiogen_jax.models.omni.instructions import FILE, read_instructions
from audiogen_jax.models.omni.reading import OmniReader
from audiogen_jax.models.omni.thinker.thinker import Thinker

THINKER = "thinker"
"""Folder of the thinker in an export."""
_CONDITIONERS = (
    "sample_rate", "pad_length", "thinker_dim", "sync_dim", "sync_length", "text_length", "n_fft",
    "hop_length", "n_mels", "reference_samples",
)  # fmt: skip
"""Sizes that decide what is stored of a prompt."""


class _Opened(NamedTuple):
    """Sizes, the folder of the thinker, and that of a generator or the thinker itself."""

    config: OmniConfig
    thinker: CheckpointFolder
    path: Path


def _open(opened: CheckpointFolder) -> _Opened:
    if opened.model_type == OmniConfig.MODEL_TYPE:
        config = opened.config(OmniConfig)
        return _Opened(config, opened.component("thinker", config.thinker), opened.path)
    width = read_thinker_config(opened).text.hidden_size
    return _Opened(OmniConfig(thinker_dim=width), opened, opened.path)


def _load(opened: CheckpointFolder, dtype: DTypeLike, put: Put) -> LoadedPrompts:
    config, folder, path = _open(opened)
    sizes, params = load_thinker(folder, put=put, stacked=False)
    thinker = Thinker(sizes, dtype)
    text = BytePairTokenizer(tokenizer_folder(folder.path), sizes.text.vocab_size)
    seen = load_visual_features(path)
    reader = OmniReader(config, thinker, text, read_instructions(path), *seen)
    return LoadedPrompts(AudioOmni(config, thinker, dtype), {"thinker": params}, reader)


def _sha256(opened: CheckpointFolder) -> str:
    """Of the parameters' values, whatever their files; one tensor is in memory at a time."""
    config, folder, path = _open(opened)

    def digest(value: np.ndarray) -> np.ndarray:
        return np.frombuffer(hashlib.sha256(value.data).digest(), np.uint8)

    _, digests = load_thinker(folder, np.float32, digest, stacked=False)
    tokenizer = tokenizer_folder(folder.path)
    seen = ""
    if has_config(path / SYNCHFORMER):
        seen = checkpoint_sha256(path / SYNCHFORMER)
    elif (path / SYNCHFORMER_RELEASED).is_file():
        seen = sha256(path / SYNCHFORMER_RELEASED)
    settings = {
        "conditioners": {name: getattr(config, name) for name in _CONDITIONERS},
        "thinker": dataclasses.asdict(read_thinker_config(folder)),
        "tokenizer": {n: sha256(tokenizer / n) for n in FILES if (tokenizer / n).is_file()},
        "instructions": {task: tuple(each) for task, each in read_instructions(path).items()},
        "synchformer": seen,
    }
    return params_sha256(digests, {"prompts": json.dumps(settings, sort_keys=True)})


def _companions(opened: CheckpointFolder) -> dict[str, Path]:
    config, folder, path = _open(opened)
    if folder.path == path and opened.model_type == OmniConfig.MODEL_TYPE:
        raise ValueError(
            f"{path} holds several models in one file: give its thinker a folder of its own with "
            "audiogen convert, and train with that copy"
        )
    companions = {THINKER: folder.path}
    for name in (SYNCHFORMER, SYNCHFORMER_RELEASED, FILE):
        if path != folder.path and (path / name).exists():
            companions[name] = path / name
    return companions


PROMPTS = PromptFamily(_load, _sha256, _companions)
