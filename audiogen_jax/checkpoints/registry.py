"""Which family reads, builds and writes a checkpoint, by the `model_type` of its config.json.

A new generator or codec adds its row here; nothing else outside of `models/` names it.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import jax

from audiogen_jax.checkpoints.dasheng_audiogen import load_audiogen, save_audiogen
from audiogen_jax.checkpoints.dasheng_tokenizer import TokenizerCheckpoint, save_tokenizer
from audiogen_jax.checkpoints.locate import find_checkpoint, find_part
from audiogen_jax.checkpoints.safetensors import read_config
from audiogen_jax.checkpoints.t5 import load_t5, save_t5
from audiogen_jax.input.text import TextTokenizer, find_text_tokenizer
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.generator import DashengAudioGen
from audiogen_jax.models.dasheng.codec import DashengCodec
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.protocols import AudioCodec, Generator
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.types import Params, Tokens

Place = Callable[[Any], Any]
"""What is done with each array as it is read, such as `jax.device_put`."""


@dataclasses.dataclass(frozen=True)
class LoadedCodec:
    """An audio codec on disk, checked; its parameters are read when asked for.

    Attributes:
      folder: of the checkpoint.
      codec: the model.
      read: (top-level names of parameters, place) -> those parameters.
    """

    folder: Path
    codec: AudioCodec
    read: Callable[[Collection[str], Place], Params]


@dataclasses.dataclass(frozen=True)
class LoadedGenerator:
    """A generator with everything that it names.

    Attributes:
      folder: of the checkpoint.
      generator: the model.
      params: its parameters.
      codec: of its latents.
      tokenize: texts -> tokens padded to `generator.max_tokens`; reads its files on the first call.
    """

    folder: Path
    generator: Generator
    params: Params
    codec: LoadedCodec
    tokenize: Callable[[list[str]], Tokens]


@dataclasses.dataclass(frozen=True)
class CodecFamily:
    """How codecs of one kind are read and written.

    Attributes:
      open: (folder, dtype of the computation, dtype of the parameters) -> the codec.
      save: (folder, codec, parameters) writes what `open` reads.
    """

    open: Callable[[Path, Any, Any], LoadedCodec]
    save: Callable[[Path, Any, Params], None]


@dataclasses.dataclass(frozen=True)
class GeneratorFamily:
    """How generators of one kind are built, read and written.

    Attributes:
      make: sizes as in the `model` of a training config, with "dtype" and "remat" -> the model.
      load: (folder, dtype of the computation, dtype of the parameters, place, for sampling or
        training) -> the generator.
      save: (folder, generator, parameters) writes what `load` reads, but for the codec.
      codec_field: field of config.json that names the codec.
      default_codec: its value where config.json does not have it.
    """

    make: Callable[..., Any]
    load: Callable[..., LoadedGenerator]
    save: Callable[[Path, Any, Params], None]
    codec_field: str
    default_codec: str


def load_generator(
    source: str | Path,
    *,
    revision: str | None = None,
    dtype: Any,
    param_dtype: Any,
    place: Place = jax.device_put,
    for_sampling: bool = True,
) -> LoadedGenerator:
    """Reads a generator; each parameter goes to the device before the next one is read.

    Args:
      source: "nano", a folder in Hugging Face layout or the name of a hub repository.
      revision: branch, tag or commit of a hub repository.
      dtype: of the computation.
      param_dtype: of all parameters.
      place: where parameters go.
      for_sampling: in the layout of `Generator.for_sampling`.

    Raises:
      ValueError: there is no such checkpoint, or it does not hold what it should.
    """
    folder = find_checkpoint(source, revision)
    kind = read_config(folder).get("model_type")
    if kind not in GENERATORS:
        raise ValueError(
            f"{folder} holds a {kind!r} checkpoint: expected one of {sorted(GENERATORS)}"
        )
    loaded = GENERATORS[kind].load(folder, dtype, param_dtype, place, for_sampling)
    makes, reads = loaded.generator.latent_dim, loaded.codec.codec.latent_dim
    if makes != reads:
        raise ValueError(
            f"{folder}: the generator makes {makes}-channel latents, its codec reads {reads}"
        )
    return loaded


def open_codec(
    source: str | Path, *, revision: str | None = None, dtype: Any, param_dtype: Any
) -> LoadedCodec:
    """Opens an audio codec, or that of a generator.

    Args:
      source: "nano", a folder in Hugging Face layout or the name of a hub repository.
      revision: branch, tag or commit of a hub repository.
      dtype: of the computation.
      param_dtype: of the parameters.

    Raises:
      ValueError: there is no such checkpoint, or it does not hold what it should.
    """
    folder = find_checkpoint(source, revision)
    values = read_config(folder)
    kind = values.get("model_type")
    if kind in GENERATORS:
        family = GENERATORS[kind]
        name = values.get(family.codec_field, family.default_codec)
        folder = find_part(folder, family.codec_field, name)
        kind = read_config(folder).get("model_type")
    if kind not in CODECS:
        raise ValueError(f"{folder} holds a {kind!r} checkpoint: expected one of {sorted(CODECS)}")
    return CODECS[kind].open(folder, dtype, param_dtype)


def _open_dasheng(folder: Path, dtype: Any, param_dtype: Any) -> LoadedCodec:
    checkpoint = TokenizerCheckpoint(folder, param_dtype)
    return LoadedCodec(folder, DashengCodec(checkpoint.config, dtype), checkpoint.read)


def _save_dasheng(folder: Path, codec: DashengCodec, params: Params) -> None:
    save_tokenizer(folder, codec.config, params)


def _make_audiogen(
    model: Mapping[str, Any], dtype: Any, remat: str | None = None
) -> DashengAudioGen:
    sizes = AudioGenConfig(**model["audiogen"]), T5Config(**model["text_encoder"])
    return DashengAudioGen(*sizes, dtype=dtype, remat=remat)


def _load_audiogen(
    folder: Path, dtype: Any, param_dtype: Any, place: Place, for_sampling: bool
) -> LoadedGenerator:
    config, network = load_audiogen(folder, param_dtype, place, stacked=not for_sampling)
    text_folder = find_part(folder, "text_encoder_name", config.text_encoder_name)
    text, text_encoder = load_t5(text_folder, param_dtype, place)
    codec = open_codec(
        find_part(folder, "tokenizer_name", config.tokenizer_name),
        dtype=dtype,
        param_dtype=param_dtype,
    )
    readers: list[tuple[TextTokenizer, tuple[int, ...]]] = []

    def text_tokenizer() -> tuple[TextTokenizer, tuple[int, ...]]:
        if not readers:  # a tokenizer of the generator wins over the text encoder's
            path = find_text_tokenizer(folder, text_folder)
            readers.append(TextTokenizer.with_special_tokens(path, config.special_tokens))
        return readers[0]

    def tokenize(texts: list[str]) -> Tokens:
        return Tokens(*text_tokenizer()[0].encode_batch(texts, config.tokenizer_max_length))

    special = text_tokenizer()[1] if config.special_tokens else ()
    generator = DashengAudioGen(config, text, special, dtype)
    params: Params = {"text_encoder": text_encoder, "audiogen": network}
    if for_sampling:
        params = generator.for_sampling(params)
    return LoadedGenerator(folder, generator, params, codec, tokenize)


def _save_audiogen(folder: Path, generator: DashengAudioGen, params: Params) -> None:
    save_audiogen(folder, generator.config, params["audiogen"])
    save_t5(folder / generator.config.text_encoder_name, generator.text, params["text_encoder"])


CODECS: dict[str, CodecFamily] = {
    TokenizerConfig.MODEL_TYPE: CodecFamily(_open_dasheng, _save_dasheng)
}
GENERATORS: dict[str, GeneratorFamily] = {
    AudioGenConfig.MODEL_TYPE: GeneratorFamily(
        _make_audiogen,
        _load_audiogen,
        _save_audiogen,
        codec_field="tokenizer_name",
        default_codec=AudioGenConfig.tokenizer_name,
    )
}
