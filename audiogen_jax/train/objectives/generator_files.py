"""What the training of a generator reads before its first step, and what it exports."""

import dataclasses
import os
import shutil
from pathlib import Path

import jax
import numpy as np

from audiogen_jax.checkpoints.adapters import Form, check_shapes, load_adapters
from audiogen_jax.checkpoints.config_file import read_config
from audiogen_jax.checkpoints.folder import CheckpointFolder, open_checkpoint
from audiogen_jax.checkpoints.mapping import on_host
from audiogen_jax.checkpoints.registry import (
    GENERATORS,
    PROMPTS,
    GeneratorFamily,
    LoadedCodec,
    PromptFamily,
    family_of,
    open_codec,
)
from audiogen_jax.files.content_hashes import record_contents
from audiogen_jax.files.remote import local_copy
from audiogen_jax.input.audio_batches import DataConfig
from audiogen_jax.input.latent_batches import LatentDataConfig
from audiogen_jax.input.text import copy_text_tokenizer
from audiogen_jax.models.protocols import Generator
from audiogen_jax.train.objectives.flow_matching_config import FlowMatchingConfig
from audiogen_jax.types import Params


def from_base(config: FlowMatchingConfig) -> FlowMatchingConfig:
    """The config with what it leaves to the checkpoints that it names.

    A generator to start from gives its codec, its text tokenizer, its sizes and with them its
    longest clip and text; a text encoder gives its text tokenizer.

    Raises:
      ValueError: there is no such checkpoint, or nothing to take a setting from.
    """
    family, base = GENERATORS[config.model_type], None
    if config.init is not None:
        base = open_checkpoint(config.init)
        expected = GENERATORS if config.model is None else {config.model_type: family}
        family = family_of(base, expected)
    config = dataclasses.replace(
        config,
        tokenizer=config.tokenizer or config.init,
        data=_with_text_tokenizer(config, family, base),
    )
    if config.model is not None:
        return config
    assert base is not None  # the config says so
    sizes, kind = family.sizes(base), str(base.model_type)
    config = dataclasses.replace(config, model=sizes, model_type=kind)
    generator = config.make_generator()
    window = generator.window / generator.latent_rate
    return dataclasses.replace(config, data=config.data.within(window, generator.max_tokens))


def _with_text_tokenizer(
    config: FlowMatchingConfig, family: GeneratorFamily, base: CheckpointFolder | None
) -> DataConfig | LatentDataConfig:
    """The settings of the data with the path of a text tokenizer, if it reads texts."""
    if config.data.has_prompts:
        return config.data
    source = config.data.text_tokenizer
    if source is None:
        if base is None:
            assert config.text_encoder is not None  # the config says so
            base = open_checkpoint(config.text_encoder)
        path = family.text_tokenizer(base)
    else:
        path = source
        if not Path(source).is_file() and Path(source).suffix not in (".json", ".model"):
            path = family.text_tokenizer(open_checkpoint(source))
    return dataclasses.replace(config.data, text_tokenizer=str(path))


def read_generator(
    config: FlowMatchingConfig,
) -> tuple[Generator, LoadedCodec, dict[str, Params]]:
    """The generator of `config.model`, its codec, and parameters on the host.

    Args:
      config: from `from_base`.

    Returns:
      Generator, codec, and by name what `config.init` and `config.text_encoder` hold of the
      generator's parameters, and as "codec" the encoding half of the codec's.

    Raises:
      ValueError: `config.tokenizer` is not set or has latents of another width, or a checkpoint is
        not of `config.model`.
    """
    if config.tokenizer is None:
        raise ValueError(
            "tokenizer is not set: expected an audio codec or a generator that has one: a folder, "
            "such as the export of its stage (--set tokenizer=WORKDIR/export), a hub name or nano"
        )
    if config.init is None and (config.needs_init or config.lora.rank):
        raise ValueError(
            "init is not set: fine-tuning and adapters go on from a generator (--set init=FOLDER)"
        )
    generator = config.make_generator()
    if config.data.timeline and not generator.timeline:
        raise ValueError(
            "data.scenes.timeline, or data.edits.timeline, is above 0, but the model takes no "
            "times: set timeline=True in config.model, or that to 0"
        )
    codec = open_codec(config.tokenizer, dtype="float32", param_dtype="float32")
    if generator.latent_dim != codec.codec.latent_dim:
        raise ValueError(
            f"model: latent_dim={generator.latent_dim} must be the width of the latents of "
            f"{config.tokenizer}, {codec.codec.latent_dim}"
        )
    family = GENERATORS[config.model_type]
    base, encoder = (
        None if source is None else open_checkpoint(source)
        for source in (config.init, config.text_encoder)
    )
    params = family.start(generator, base, None if config.data.has_prompts else encoder)
    half = codec.read(codec.codec.encoder, on_host)
    return generator, codec, {**params, "codec": half}


def read_adapters(config: FlowMatchingConfig, form: Form, params: Params) -> Params:
    """The adapters of `config.lora.init` with what a network gets beside them.

    Args:
      config: with such a file.
      form: that the adapters make of a generator.
      params: arrays, or their shapes, {"adapters"} and maybe {the network}, to be replaced.

    Raises:
      OSError, ValueError: no such file, or they are of another form, scale, rank or network.
    """
    path = config.lora.init
    assert path is not None
    adapters = load_adapters(path)
    for what, found, expected in (
        ("form", adapters.form, form),
        ("scale", adapters.scale, config.adapter_scale),
    ):
        if found != expected:
            raise ValueError(
                f"lora.init={path}: adapters of {what} {found!r}, expected {expected!r}"
            )
    network = next((name for name in params if name != "adapters"), "added")
    read = {"adapters": adapters.matrices} | ({network: adapters.added} if adapters.added else {})
    read = jax.tree.map(lambda leaf: leaf.astype(np.float32), read)
    check_shapes(f"lora.init={path} does not fit lora.rank={config.lora.rank}", read, params)
    return read


def prompts_sha256(config: FlowMatchingConfig) -> str:
    """The key of the encoded prompts that a training reads; empty if it reads texts.

    Args:
      config: from `from_base`.

    Raises:
      ValueError: the model that has read them is not what it should be, or cannot be exported.
    """
    if not config.data.has_prompts:
        return ""
    opened, family = _prompts_of(config)
    family.companions(opened)
    return family.sha256(opened)


def _prompts_of(config: FlowMatchingConfig) -> tuple[CheckpointFolder, PromptFamily]:
    source = config.text_encoder or config.init
    assert source is not None  # the config says so
    opened = open_checkpoint(source)
    return opened, family_of(opened, PROMPTS)


def write_generator(
    folder: Path,
    config: FlowMatchingConfig,
    generator: Generator,
    codec: LoadedCodec,
    params: Params,
) -> None:
    """Writes a generator in Hugging Face layout, with its codec and what reads its prompts.

    Args:
      folder: made if it does not exist.
      config: of the training.
      generator: the model.
      codec: copied.
      params: of the generator, on the host.
    """
    family = GENERATORS[config.model_type]
    family.save(folder, generator, params)
    name = read_config(folder).get(family.codec_field, family.default_codec)
    shutil.copytree(codec.folder, folder / name)
    if config.data.has_prompts:
        opened, prompts = _prompts_of(config)
        companions = prompts.companions(opened)
        for name, path in companions.items():
            _copy(path, folder / name)
        record_contents(folder, [name for name in companions if (folder / name).is_file()])
        return
    assert config.data.text_tokenizer is not None
    names = copy_text_tokenizer(local_copy(config.data.text_tokenizer), folder)
    record_contents(folder, names)


def _copy(path: Path, target: Path) -> None:
    """Copies a file or a folder; without room or time where both are on one disk."""
    if path.is_dir():
        shutil.copytree(path, target, copy_function=_link)
    else:
        _link(path, target)


def _link(path: str | Path, target: str | Path) -> None:
    """Files of checkpoints are replaced and never written to, so that links are copies."""
    try:
        os.link(os.path.realpath(path), target)
    except OSError:
        shutil.copyfile(path, target)
