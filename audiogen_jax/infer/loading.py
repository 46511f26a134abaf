"""A generator with everything that it names: text encoder, audio tokenizer, text tokenizer."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from audiogen_jax.checkpoints.dasheng_audiogen import load_audiogen
from audiogen_jax.checkpoints.locate import find_checkpoint, find_part
from audiogen_jax.checkpoints.safetensors import read_config
from audiogen_jax.checkpoints.t5 import load_t5
from audiogen_jax.infer.codec import Codec
from audiogen_jax.input.text import TextTokenizer, find_text_tokenizer
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.types import Params


@dataclasses.dataclass(frozen=True)
class GeneratorParts:
    """What a sampler needs, on the device.

    Attributes:
      source: folder of the generator.
      config: its configuration.
      params: its parameters, the blocks of the DiT apart.
      text_config: configuration of its text encoder.
      text_params: the text encoder's parameters.
      tokenizer: its audio tokenizer; the decoder is read on first use, the encoder too.
      text_folder: of the text encoder, with the text tokenizer unless `source` has one.
    """

    source: Path
    config: AudioGenConfig
    params: Params
    text_config: T5Config
    text_params: Params
    tokenizer: Codec
    text_folder: Path

    def read_text_tokenizer(self) -> tuple[TextTokenizer, tuple[int, ...]]:
        """The text tokenizer and the ids of `config.special_tokens`, appended to its vocabulary.

        A tokenizer of the generator wins over the text encoder's, as in the release.

        Raises:
          ValueError: neither folder holds one.
        """
        path = find_text_tokenizer(self.source, self.text_folder)
        return TextTokenizer.with_special_tokens(path, self.config.special_tokens)


def load_generator(
    source: str | Path,
    *,
    revision: str | None = None,
    dtype: Any = jnp.float32,
    param_dtype: Any = jnp.float32,
) -> GeneratorParts:
    """Reads a generator; each parameter goes to the device before the next one is read.

    The audio tokenizer's encoder and the decoder half of a whole T5 are left on the disk.

    Args:
      source: "nano", a folder in Hugging Face layout or the name of a hub repository.
      revision: branch, tag or commit of a hub repository.
      dtype: that the audio tokenizer computes in.
      param_dtype: of all parameters.

    Raises:
      ValueError: there is no such checkpoint, or it does not hold what it should.
    """
    folder = find_checkpoint(source, revision)
    kind = read_config(folder).get("model_type")
    if kind != AudioGenConfig.MODEL_TYPE:
        raise ValueError(
            f"{folder} holds a {kind!r} checkpoint: expected {AudioGenConfig.MODEL_TYPE!r}"
        )
    config, params = load_audiogen(folder, param_dtype, jax.device_put, stacked=False)
    text_folder = find_part(folder, "text_encoder_name", config.text_encoder_name)
    text_config, text_params = load_t5(text_folder, param_dtype, jax.device_put)
    tokenizer_folder = find_part(folder, "tokenizer_name", config.tokenizer_name)
    tokenizer = Codec.load(tokenizer_folder, dtype=dtype, param_dtype=param_dtype)
    if tokenizer.config.embed_dim != config.latent_dim:
        raise ValueError(
            f"{folder}: the generator makes {config.latent_dim}-channel latents, its tokenizer "
            f"reads {tokenizer.config.embed_dim}"
        )
    return GeneratorParts(folder, config, params, text_config, text_params, tokenizer, text_folder)
