"""What the training of a generator reads before its first step, and what it exports."""

import shutil
from pathlib import Path

from audiogen_jax.checkpoints.config_file import read_config
from audiogen_jax.checkpoints.mapping import on_host
from audiogen_jax.checkpoints.registry import GENERATORS, LoadedCodec, open_codec
from audiogen_jax.files.content_hashes import record_contents
from audiogen_jax.files.remote import local_copy
from audiogen_jax.models.protocols import Generator
from audiogen_jax.train.objectives.flow_matching_config import FlowMatchingConfig
from audiogen_jax.types import Params


def read_generator(
    config: FlowMatchingConfig,
) -> tuple[Generator, LoadedCodec, dict[str, Params]]:
    """The generator of `config.model`, its codec, and parameters on the host.

    Returns:
      Generator, codec, and by name what `config.init` and `config.text_encoder` hold of the
      generator's parameters, and as "codec" the encoding half of the codec's.

    Raises:
      ValueError: `config.tokenizer` is not set or has latents of another width, or a checkpoint is
        not of `config.model`.
    """
    if config.tokenizer is None:
        raise ValueError(
            "tokenizer is not set: expected a tokenizer's folder, such as the export of its stage "
            "(--set tokenizer=WORKDIR/export)"
        )
    if config.init is None and (config.needs_init or config.lora.rank):
        raise ValueError(
            "init is not set: fine-tuning and adapters go on from a generator (--set init=FOLDER)"
        )
    generator = config.make_generator()
    codec = open_codec(config.tokenizer, dtype="float32", param_dtype="float32")
    if generator.latent_dim != codec.codec.latent_dim:
        raise ValueError(
            f"model: latent_dim={generator.latent_dim} must be the width of the latents of "
            f"{config.tokenizer}, {codec.codec.latent_dim}"
        )
    family = GENERATORS[config.model_type]
    params = family.start(generator, config.init, config.text_encoder)
    encoder = codec.read(codec.codec.encoder, on_host)
    return generator, codec, {**params, "codec": encoder}


def write_generator(
    folder: Path,
    config: FlowMatchingConfig,
    generator: Generator,
    codec: LoadedCodec,
    params: Params,
) -> None:
    """Writes a generator in Hugging Face layout, with its codec and text tokenizer.

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
    assert config.data.text_tokenizer is not None
    shutil.copyfile(local_copy(config.data.text_tokenizer), folder / "tokenizer.json")
    record_contents(folder, ["tokenizer.json"])
