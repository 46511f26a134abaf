"""Audio-Omni as a row of the registry: read with its thinker and its codec, built, written."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints import omni_oobleck
from audiogen_jax.checkpoints.config_file import has_config
from audiogen_jax.checkpoints.family import (
    Component,
    FolderFamily,
    GeneratorFamily,
    LanguageModelFamily,
    LoadedGenerator,
    LoadedLanguageModel,
)
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.hub import download_files
from audiogen_jax.checkpoints.mapping import Put
from audiogen_jax.checkpoints.omni_generator import load_omni, save_omni
from audiogen_jax.checkpoints.qwen_omni import WHOLE, load_thinker, save_thinker
from audiogen_jax.checkpoints.synchformer import load_synchformer
from audiogen_jax.checkpoints.torch_file import TorchFile
from audiogen_jax.input.byte_pairs import FILES, BytePairTokenizer
from audiogen_jax.models.omni.config import OmniConfig, OobleckConfig
from audiogen_jax.models.omni.generator import AudioOmni
from audiogen_jax.models.omni.instructions import read_instructions
from audiogen_jax.models.omni.reading import OmniReader
from audiogen_jax.models.omni.synchformer import SynchformerConfig, sync_features
from audiogen_jax.models.omni.thinker.config import ThinkerConfig
from audiogen_jax.models.omni.thinker.thinker import Thinker
from audiogen_jax.timeline import Timeline
from audiogen_jax.types import Params, Tokens

SYNCHFORMER, SYNCHFORMER_RELEASED = "synchformer", "synchformer_state_dict.pth"
"""Where the weights of Synchformer are beside those of a model: a folder, or the released file."""
_TOKENIZER = "Qwen/Qwen2.5-Omni-3B"
"""Whose text tokenizer the release uses, which does not hold one itself."""


def _load(
    opened: CheckpointFolder,
    dtype: DTypeLike,
    param_dtype: DTypeLike,
    put: Put,
    for_sampling: bool,
) -> LoadedGenerator:
    config, network = load_omni(opened, param_dtype, put, stacked=not for_sampling)
    opened_thinker = opened.component("thinker", config.thinker)
    sizes, thought = load_thinker(opened_thinker, param_dtype, put, stacked=not for_sampling)
    if sizes.text.hidden_size != config.thinker_dim:
        raise ValueError(
            f"{opened_thinker.path}: a thinker of width {sizes.text.hidden_size}, but "
            f"{opened.path} was trained on one of width {config.thinker_dim}"
        )
    opened_codec = opened.component("codec", config.codec)
    codec = omni_oobleck.CODEC.open(opened_codec, dtype, param_dtype)
    thinker = Thinker(sizes, dtype)
    generator = AudioOmni(config, thinker, dtype)
    params: Params = {"omni": network, "thinker": thought}
    if for_sampling:
        params = generator.for_sampling(params)
    language = _language(opened_thinker.path, thinker, thought)
    text = language.reader
    reader = OmniReader(
        config, thinker, text, read_instructions(opened.path), *load_visual_features(opened.path)
    )

    def tokenize(texts: list[str], timelines: Sequence[Timeline] = (), /) -> Tokens:
        return reader.tokens(texts, generator.max_tokens)

    folders = tuple(dict.fromkeys((opened.path, opened_thinker.path, opened_codec.path)))
    return LoadedGenerator(
        folders, generator, params, codec, tokenize, language=language, reader=reader
    )


def _load_language(
    opened: CheckpointFolder, dtype: DTypeLike, param_dtype: DTypeLike, put: Put
) -> LoadedLanguageModel:
    """The thinker alone; what generates stays on disk."""
    folder = opened.component("thinker", opened.config(OmniConfig).thinker)
    sizes, params = load_thinker(folder, param_dtype, put, stacked=False)
    return _language(folder.path, Thinker(sizes, dtype), params)


def _language(folder: Path, thinker: Thinker, params: Params) -> LoadedLanguageModel:
    c = thinker.config
    text = BytePairTokenizer(tokenizer_folder(folder), c.text.vocab_size)
    return LoadedLanguageModel(folder, thinker, params, text, (c.eos_token_id, c.pad_token_id))


def load_visual_features(
    folder: Path,
) -> tuple[Callable[[np.ndarray], np.ndarray] | None, SynchformerConfig]:
    """What makes visual features of frames, read when the first video is; None without weights."""
    inner, released = folder / SYNCHFORMER, folder / SYNCHFORMER_RELEASED
    config = SynchformerConfig()
    if has_config(inner):
        config = CheckpointFolder(inner).config(SynchformerConfig)
    elif not released.is_file():
        return None, config

    @functools.cache
    def params() -> Params:
        file = CheckpointFolder(inner).tensors if has_config(inner) else TorchFile(released)
        return load_synchformer(file, config, put=jax.device_put)

    compiled = jax.jit(functools.partial(sync_features, config))
    return (lambda frames: np.asarray(compiled(params(), frames))), config


def tokenizer_folder(folder: Path) -> Path:
    """Where the text tokenizer is: with the thinker, or downloaded, a few MB."""
    if any((folder / name).is_file() for name in FILES):
        return folder
    return download_files(_TOKENIZER, FILES)


def _make(
    model: Mapping[str, Mapping[str, object]], dtype: DTypeLike, remat: str | None = None
) -> AudioOmni:
    """Of sizes "omni" and "thinker", without one for encoded prompts; "halved_init" if so."""
    if unknown := sorted(model.keys() - {"omni", "thinker", "halved_init"}):
        raise ValueError(f"config key 'model' has {unknown}: expected omni, thinker, halved_init")
    halved: object = model.get("halved_init", False)
    if not isinstance(halved, bool):
        raise ValueError(f"model.halved_init={halved!r}: expected True or False")
    thinker = None
    if model.get("thinker") is not None:
        thinker = Thinker(ThinkerConfig.from_hf(model["thinker"]), dtype)
    config = OmniConfig.from_hf(model["omni"])
    return AudioOmni(config, thinker, dtype=dtype, remat=remat, halved_init=halved)


def _sizes(opened: CheckpointFolder) -> dict[str, object]:
    config = opened.config(OmniConfig)
    thinker = opened.component("thinker", config.thinker).config(ThinkerConfig)
    return {"omni": dataclasses.asdict(config), "thinker": thinker.to_hf()}


def _save(folder: Path, generator: AudioOmni, params: Params) -> None:
    config = generator.config
    if generator.thinker is None:  # which comes beside it, see `omni_prompts`
        config = dataclasses.replace(config, thinker="thinker")
    save_omni(folder, config, params["omni"])
    if isinstance(generator.thinker, Thinker):
        save_thinker(folder / generator.config.thinker, generator.thinker.config, params["thinker"])


def _text_tokenizer(opened: CheckpointFolder) -> Path:
    thinker = opened.component("thinker", OmniConfig.thinker)
    return tokenizer_folder(thinker.path)


def _start(
    generator: AudioOmni, base: CheckpointFolder | None, encoder: CheckpointFolder | None
) -> dict[str, Params]:
    params: dict[str, Params] = {}
    if base is not None:
        config, params["omni"] = load_omni(base)
        if dataclasses.replace(config, codec="", thinker="") != dataclasses.replace(
            generator.config, codec="", thinker=""
        ):
            raise ValueError(f"{base.path} is of another size than config.model")
        encoder = encoder or base.component("thinker", config.thinker)
    if encoder is not None:
        if encoder.model_type == OmniConfig.MODEL_TYPE:
            encoder = encoder.component("thinker", OmniConfig.thinker)
        _, params["thinker"] = load_thinker(encoder)
    return params


GENERATOR = GeneratorFamily(
    _make,
    _load,
    _save,
    _sizes,
    _text_tokenizer,
    _start,
    codec_field="codec",
    default_codec=OmniConfig.codec,
)
LANGUAGE_MODEL = LanguageModelFamily(_load_language)
FOLDER = FolderFamily(
    load_omni,
    save_omni,
    components={
        "thinker": Component("thinker", (ThinkerConfig.MODEL_TYPE, WHOLE)),
        "codec": Component("codec", (OobleckConfig.MODEL_TYPE,)),
    },
)
