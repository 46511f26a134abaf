"""A thinker of a few random channels, with the patches and windows of the published one."""

import json
from pathlib import Path

import jax
import numpy as np
import tokenizers

from audiogen_jax.checkpoints.qwen_omni import save_thinker, thinker_template
from audiogen_jax.models.omni.thinker.config import (
    AudioConfig,
    TextConfig,
    ThinkerConfig,
    VisionConfig,
)
from audiogen_jax.models.omni.thinker.thinker import Thinker
from audiogen_jax.types import Params

VOCAB = 300
CONFIG = ThinkerConfig(
    TextConfig(
        vocab_size=VOCAB,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        mrope_section=(1, 1, 2),
    ),
    AudioConfig(
        d_model=8, encoder_attention_heads=2, encoder_ffn_dim=12, encoder_layers=1, output_dim=16
    ),
    VisionConfig(
        depth=2,
        hidden_size=16,
        intermediate_size=20,
        num_heads=2,
        fullatt_block_indexes=(1,),
        out_hidden_size=16,
    ),
    **{
        name: 286 + i
        for i, name in enumerate(
            (
                "audio_token_index", "audio_start_token_id", "audio_end_token_id",
                "vision_start_token_id", "vision_end_token_id", "image_token_index",
                "video_token_index", "pad_token_id", "eos_token_id",
            )
        )
    },
)  # fmt: skip


def stacked_params(config: ThinkerConfig = CONFIG) -> Params:
    """Random, so that no layer is without effect; layers stacked, not compiled."""
    rng = np.random.default_rng(0)

    def draw(path: tuple, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        ones = path[-1].key == "scale"
        width = 0.2 if ones or len(leaf.shape) < 2 else 0.7 * leaf.shape[-2] ** -0.5
        if path[-2].key == "embed":
            width = 1.0
        return (ones + rng.normal(0, width, leaf.shape)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, thinker_template(config))


def random_params(config: ThinkerConfig = CONFIG) -> Params:
    """The same as a `Thinker` reads them."""
    return Thinker(config).for_use(stacked_params(config))


def write_tokenizer(folder: Path, config: ThinkerConfig = CONFIG) -> None:
    """Files of a byte-pair tokenizer as the release has them, special tokens at their ids."""
    trained = tokenizers.Tokenizer(tokenizers.models.BPE())
    trained.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=280, initial_alphabet=alphabet)
    trained.train_from_iterator(["What is heard in the rain? A dog barks."], trainer)
    trained.model.save(str(folder))
    special = {
        "<|endoftext|>": config.pad_token_id,
        "<|im_start|>": 285,
        "<|im_end|>": config.eos_token_id,
        "<|AUDIO|>": config.audio_token_index,
    }
    table = {str(i): {"content": name, "special": True} for name, i in special.items()}
    settings = {"added_tokens_decoder": table}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def write_checkpoint(folder: Path, config: ThinkerConfig = CONFIG) -> Path:
    """A checkpoint of the thinker alone, with its tokenizer."""
    save_thinker(folder, config, stacked_params(config))
    write_tokenizer(folder, config)
    return folder
