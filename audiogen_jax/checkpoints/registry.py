"""Which family reads, builds and writes a checkpoint, by the `model_type` of its config.json.

A new generator or codec adds its rows here; nothing else outside of `models/` names it.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.dasheng_audiogen import (
    load_audiogen,
    read_audiogen_config,
    save_audiogen,
)
from audiogen_jax.checkpoints.dasheng_tokenizer import (
    TokenizerCheckpoint,
    load_tokenizer,
    save_tokenizer,
)
from audiogen_jax.checkpoints.family import (
    CodecFamily,
    Component,
    FolderFamily,
    GeneratorFamily,
    LanguageModelFamily,
    LoadedCodec,
    LoadedGenerator,
    LoadedLanguageModel,
    PromptFamily,
)
from audiogen_jax.checkpoints.folder import CheckpointFolder, open_checkpoint
from audiogen_jax.checkpoints.hub import cached
from audiogen_jax.checkpoints.mapping import Put
from audiogen_jax.checkpoints.releases import how_to_get
from audiogen_jax.checkpoints.t5 import load_t5, save_t5
from audiogen_jax.checkpoints.table import Table
from audiogen_jax.input.text import TextTokenizer, find_text_tokenizer
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.generator import DashengAudioGen
from audiogen_jax.models.dasheng.codec import DashengCodec
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.hf_config import HFConfig
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.timeline import Timeline
from audiogen_jax.types import Params, Tokens

_Family = TypeVar("_Family")
_Config = TypeVar("_Config", bound=HFConfig)


def load_generator(
    source: str | Path,
    *,
    revision: str | None = None,
    dtype: DTypeLike,
    param_dtype: DTypeLike,
    put: Put = jax.device_put,
    for_sampling: bool = True,
) -> LoadedGenerator:
    """Reads a generator; each parameter goes to the device before the next one is read.

    Args:
      source: "nano", a folder in Hugging Face layout or the name of a hub repository.
      revision: branch, tag or commit of a hub repository.
      dtype: of the computation.
      param_dtype: of all parameters.
      put: where parameters go.
      for_sampling: in the layout of `Generator.for_sampling`.

    Raises:
      ValueError: there is no such checkpoint, or it does not hold what it should.
    """
    opened = open_checkpoint(source, revision)
    family = family_of(opened, GENERATORS)
    loaded = family.load(opened, dtype, param_dtype, put, for_sampling)
    generator, codec = loaded.generator, loaded.codec.codec
    makes = generator.latent_dim, float(generator.latent_rate)
    reads = codec.latent_dim, codec.sample_rate / codec.samples_per_latent
    if makes != reads:
        raise ValueError(
            f"{opened.path}: the generator makes latents of {makes[0]} channels, {makes[1]:g} a "
            f"second, its codec reads {reads[0]} channels, {reads[1]:g} a second"
        )
    return loaded


def load_language_model(
    source: str | Path | None = None,
    *,
    revision: str | None = None,
    dtype: DTypeLike,
    param_dtype: DTypeLike,
    put: Put = jax.device_put,
) -> LoadedLanguageModel:
    """Reads a model that answers questions, or that part of a generator.

    Args:
      source: a folder in Hugging Face layout or the name of a hub repository; None for a published
        model that is in the hub's cache.
      revision: branch, tag or commit of a hub repository.
      dtype: of the computation.
      param_dtype: of all parameters.
      put: where parameters go.

    Raises:
      ValueError: there is no such checkpoint, or it does not hold what it should.
    """
    opened = open_checkpoint(_cached_release() if source is None else source, revision)
    if opened.model_type in GENERATORS and opened.model_type not in LANGUAGE_MODELS:
        raise ValueError(f"{opened.path} generates and answers no questions: {_how_to_get()}")
    return family_of(opened, LANGUAGE_MODELS).load(opened, dtype, param_dtype, put)


def _cached_release() -> Path:
    for family in LANGUAGE_MODELS.values():
        for name in family.releases:
            if folder := cached(name):
                return folder
    raise ValueError(f"no weights of a model that answers questions: {_how_to_get()}")


def _how_to_get() -> str:
    """The published models that answer questions."""
    names = {name: None for family in LANGUAGE_MODELS.values() for name in family.releases}
    return how_to_get(names)


def open_codec(
    source: str | Path,
    *,
    revision: str | None = None,
    dtype: DTypeLike,
    param_dtype: DTypeLike,
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
    opened = open_codec_checkpoint(source, revision)
    return family_of(opened, CODECS).open(opened, dtype, param_dtype)


def open_codec_checkpoint(source: str | Path, revision: str | None = None) -> CheckpointFolder:
    """The checkpoint of an audio codec, or of a generator's codec.

    Args:
      source: "nano", a folder in Hugging Face layout or the name of a hub repository.
      revision: branch, tag or commit of a hub repository.

    Raises:
      ValueError: there is no such checkpoint.
    """
    opened = open_checkpoint(source, revision)
    if opened.model_type is not None and opened.model_type in GENERATORS:
        family = GENERATORS[opened.model_type]
        opened = opened.component(family.codec_field, family.default_codec)
    return opened


def family_of(opened: CheckpointFolder, families: Mapping[str, _Family]) -> _Family:
    """The row of a checkpoint in one of the tables below.

    Raises:
      ValueError: it is of none of these kinds.
    """
    kind = opened.model_type
    if kind is None or kind not in families:
        trained = opened.path / "export"  # where this is the working directory of a training
        raise ValueError(
            f"{opened.path} holds a {kind!r} checkpoint: expected one of {sorted(families)}"
            + (f"; give {trained}" if trained.is_dir() else "")
        )
    return families[kind]


def _open_dasheng(
    opened: CheckpointFolder, dtype: DTypeLike, param_dtype: DTypeLike
) -> LoadedCodec:
    checkpoint = TokenizerCheckpoint(opened, param_dtype)
    return LoadedCodec(opened.path, DashengCodec(checkpoint.config, dtype), checkpoint.read)


def _save_dasheng(folder: Path, codec: DashengCodec, params: Params) -> None:
    save_tokenizer(folder, codec.config, params)


def _make_audiogen(
    model: Mapping[str, Mapping[str, Any]], dtype: DTypeLike, remat: str | None = None
) -> DashengAudioGen:
    sizes = AudioGenConfig(**model["audiogen"]), T5Config(**model["text_encoder"])
    return DashengAudioGen(*sizes, dtype=dtype, remat=remat)


def _load_audiogen(
    opened: CheckpointFolder,
    dtype: DTypeLike,
    param_dtype: DTypeLike,
    put: Put,
    for_sampling: bool,
) -> LoadedGenerator:
    config, network = load_audiogen(opened, param_dtype, put, stacked=not for_sampling)
    opened_text = _text_encoder(opened)
    text, text_encoder = load_t5(opened_text, param_dtype, put)
    width = network["text_proj"]["kernel"].shape[0]
    if text.d_model != width:
        raise ValueError(
            f"{opened_text.path}: d_model={text.d_model}, but {opened.path} was trained on a text "
            f"encoder of width {width}"
        )
    opened_codec = opened.component("tokenizer_name", config.tokenizer_name)
    codec = family_of(opened_codec, CODECS).open(opened_codec, dtype, param_dtype)

    @functools.cache
    def text_tokenizer() -> tuple[TextTokenizer, tuple[int, ...]]:
        path = _text_tokenizer(opened)
        return TextTokenizer.with_special_tokens(path, config.special_tokens, text.vocab_size)

    def tokenize(texts: list[str], timelines: Sequence[Timeline] | None = None) -> Tokens:
        return text_tokenizer()[0].encode_batch(texts, config.tokenizer_max_length, timelines)

    def lost_views(text: str) -> tuple[str, ...]:
        return text_tokenizer()[0].lost_views(text, config.tokenizer_max_length)

    special = text_tokenizer()[1] if config.special_tokens else ()
    generator = DashengAudioGen(config, text, special, dtype)
    params: Params = {"text_encoder": text_encoder, "audiogen": network}
    if for_sampling:
        params = generator.for_sampling(params)
    folders = (opened.path, opened_text.path, opened_codec.path)
    return LoadedGenerator(folders, generator, params, codec, tokenize, lost_views)


def _save_audiogen(folder: Path, generator: DashengAudioGen, params: Params) -> None:
    save_audiogen(folder, generator.config, params["audiogen"])
    save_t5(folder / generator.config.text_encoder_name, generator.text, params["text_encoder"])


def _text_encoder(opened: CheckpointFolder) -> CheckpointFolder:
    """The text encoder of a generator; any other checkpoint is one itself."""
    if opened.model_type == AudioGenConfig.MODEL_TYPE:
        return opened.component("text_encoder_name", AudioGenConfig.text_encoder_name)
    return opened


def _text_tokenizer(opened: CheckpointFolder) -> Path:
    """The file of the text tokenizer: the generator's wins over that of its encoder."""
    return find_text_tokenizer(*dict.fromkeys((opened.path, _text_encoder(opened).path)))


def _audiogen_sizes(opened: CheckpointFolder) -> dict[str, object]:
    text = _text_encoder(opened).config(T5Config)
    return {
        "audiogen": dataclasses.asdict(read_audiogen_config(opened)),
        "text_encoder": dataclasses.asdict(text),
    }


def _start_audiogen(
    generator: DashengAudioGen, base: CheckpointFolder | None, encoder: CheckpointFolder | None
) -> dict[str, Params]:
    params: dict[str, Params] = {}
    if base is not None:
        config, params["audiogen"] = load_audiogen(base)
        _check_sizes(base.path, config, generator.config)
        encoder = encoder or base
    if encoder is not None:
        encoder = _text_encoder(encoder)
        text, params["text_encoder"] = load_t5(encoder)
        _check_sizes(encoder.path, text, generator.text)
    return params


def _check_sizes(folder: Path, sizes: _Config, expected: _Config) -> None:
    """Compares two configurations, value by value, but for what training may add."""
    values = vars(sizes)
    differences = [
        f"{name} is {values[name]!r}, here {value!r}"
        for name, value in vars(expected).items()
        if values[name] != value and name != "timeline"
    ]
    if differences:
        raise ValueError(f"{folder} is of another size than config.model: {differences}")


_OMNI = "audiogen_jax.checkpoints.omni_family"
_OOBLECK = "audiogen_jax.checkpoints.omni_oobleck"
_QWEN = "audiogen_jax.checkpoints.qwen_omni"
_PROMPTS = "audiogen_jax.checkpoints.omni_prompts:PROMPTS"

# Any: rows of one table are of different models.
CODECS: Table[CodecFamily[Any]] = Table(
    {
        TokenizerConfig.MODEL_TYPE: CodecFamily(_open_dasheng, _save_dasheng),
        "oobleck": f"{_OOBLECK}:CODEC",
    }
)
GENERATORS: Table[GeneratorFamily[Any]] = Table(
    {
        AudioGenConfig.MODEL_TYPE: GeneratorFamily(
            _make_audiogen,
            _load_audiogen,
            _save_audiogen,
            _audiogen_sizes,
            _text_tokenizer,
            _start_audiogen,
            codec_field="tokenizer_name",
            default_codec=AudioGenConfig.tokenizer_name,
        ),
        "audio_omni": f"{_OMNI}:GENERATOR",
    }
)
LANGUAGE_MODELS: Table[LanguageModelFamily] = Table(
    {
        "qwen2_5_omni": f"{_QWEN}:LANGUAGE_MODEL",
        "qwen2_5_omni_thinker": f"{_QWEN}:LANGUAGE_MODEL",
        "audio_omni": f"{_OMNI}:LANGUAGE_MODEL",
    }
)
PROMPTS: Table[PromptFamily] = Table(
    {"audio_omni": _PROMPTS, "qwen2_5_omni": _PROMPTS, "qwen2_5_omni_thinker": _PROMPTS}
)
FOLDERS: Table[FolderFamily[Any]] = Table(
    {
        "qwen2_5_omni": f"{_QWEN}:FOLDER",
        "qwen2_5_omni_thinker": f"{_QWEN}:FOLDER",
        TokenizerConfig.MODEL_TYPE: FolderFamily(load_tokenizer, save_tokenizer),
        "oobleck": f"{_OOBLECK}:FOLDER",
        "audio_omni": f"{_OMNI}:FOLDER",
        AudioGenConfig.MODEL_TYPE: FolderFamily(
            load_audiogen,
            save_audiogen,
            components={
                "text_encoder_name": Component("text_encoder", ("t5", "mt5")),
                "tokenizer_name": Component("tokenizer", (TokenizerConfig.MODEL_TYPE,)),
            },
        ),
        "audiogen_separator": "audiogen_jax.checkpoints.separator:FOLDER",
        "t5": FolderFamily(load_t5, save_t5),
        "mt5": FolderFamily(load_t5, save_t5),
    }
)
