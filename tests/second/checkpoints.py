"""How the second family is read, built and written: its rows of the registry."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tokenizers
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors.numpy import load_file, save_file

from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.registry import (
    CodecFamily,
    GeneratorFamily,
    LoadedCodec,
    LoadedGenerator,
)
from audiogen_jax.input.text import TextTokenizer
from audiogen_jax.types import Params, Tokens
from tests.second.models import VOCABULARY, BagGenerator, StereoCodec


def write(folder: Path, values: dict[str, Any], params: Params) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(values))
    tensors = {name: np.asarray(leaf) for name, leaf in flatten_dict(params, sep="/").items()}
    save_file(tensors, folder / "model.safetensors")


def read(folder: Path, put: Any) -> dict[str, Params]:
    tensors = load_file(folder / "model.safetensors")
    return unflatten_dict({name: put(leaf) for name, leaf in tensors.items()}, sep="/")


def open_stereo(opened: CheckpointFolder, dtype: Any, param_dtype: Any) -> LoadedCodec:
    def read_half(names: Collection[str], put: Any) -> Params:
        return {name: half for name, half in read(opened.path, put).items() if name in names}

    return LoadedCodec(opened.path, StereoCodec(int(str(opened.values["width"]))), read_half)


def save_stereo(folder: Path, codec: StereoCodec, params: Params) -> None:
    write(folder, {"model_type": "stereo", "width": codec.width}, params)


def make_bag(model: Any, dtype: Any, remat: str | None = None) -> BagGenerator:
    return BagGenerator(**model)


def load_bag(
    opened: CheckpointFolder, dtype: Any, param_dtype: Any, put: Any, for_sampling: bool
) -> LoadedGenerator:
    generator = BagGenerator(int(str(opened.values["latent_dim"])))
    codec = open_stereo(opened.component("codec", "codec"), dtype, param_dtype)

    def tokenize(texts: list[str]) -> Tokens:
        tokenizer = TextTokenizer.from_file(opened.path / "tokenizer.json")
        return Tokens(*tokenizer.encode_batch(texts, generator.max_tokens))

    folders = (opened.path, codec.folder)
    return LoadedGenerator(folders, generator, read(opened.path, put), codec, tokenize)


def save_bag(folder: Path, generator: BagGenerator, params: Params) -> None:
    values = {"model_type": "bag", "latent_dim": generator.latent_dim, "codec": "codec"}
    write(folder, values, params)


def bag_sizes(opened: CheckpointFolder) -> dict[str, object]:
    return {"latent_dim": opened.values["latent_dim"]}


def bag_text_tokenizer(opened: CheckpointFolder) -> Path:
    return opened.path / "tokenizer.json"


def start_bag(
    generator: BagGenerator, base: CheckpointFolder | None, encoder: CheckpointFolder | None
) -> dict[str, Params]:
    return {} if base is None else read(base.path, np.asarray)


CODEC = CodecFamily(open_stereo, save_stereo)
GENERATOR = GeneratorFamily(
    make_bag,
    load_bag,
    save_bag,
    bag_sizes,
    bag_text_tokenizer,
    start_bag,
    codec_field="codec",
    default_codec="codec",
)


def write_checkpoint(folder: Path) -> Path:
    """A random generator with its codec and a text tokenizer of single bytes."""
    generator, codec = BagGenerator(), StereoCodec()
    save_bag(folder, generator, jax.jit(generator.init)(jax.random.key(0)))
    save_stereo(folder / "codec", codec, jax.jit(codec.init)(jax.random.key(1)))
    text = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<pad>": 0, "</s>": 1}, "</s>"))
    text.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    letters = [chr(code) for code in range(32, 32 + VOCABULARY - 2)]
    vocabulary = {"<pad>": 0, "</s>": 1, **{c: i + 2 for i, c in enumerate(letters)}}
    text.model = tokenizers.models.WordLevel(vocabulary, "</s>")
    text.save(str(folder / "tokenizer.json"))
    return folder
