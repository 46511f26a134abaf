r"""Stage (a) beyond nano: Dasheng encoders of the published sizes by masked autoencoding.

    audiogen train --config encoder:xl --workdir runs/encoder_xl \
        --set "data.manifests=(('clips.jsonl', 1.0),)"

`xl` is Dasheng-0.6B (https://arxiv.org/abs/2406.06992), `base` Dasheng-base, `small` half of its
depth. They have not been trained by the authors of this repository, who start the tokenizer from
the published encoder instead.
"""

from ml_collections import ConfigDict

from . import nano_encoder
from .common import check_argument, on_a_pod

SIZES = {
    "xl": dict(embed_dim=1280, depth=32, num_heads=16),
    "base": dict(embed_dim=768, depth=12, num_heads=12),
    "small": dict(embed_dim=768, depth=6, num_heads=12),
}


def get_config(arg: str = "xl") -> ConfigDict:
    check_argument(arg, sorted(SIZES))
    config = nano_encoder.get_config()
    on_a_pod(config)
    width = SIZES[arg]["embed_dim"]
    config.model.tokenizer.update(
        **SIZES[arg],
        decoder_embed_dim=width,
        decoder_depth=12,
        decoder_intermediate_size=4 * width,
    )
    config.model.decoder_depth = 8
    config.steps = 500_000
    config.data.buckets, config.data.batch_sizes = (10.0,), (512,)
    config.optimizer.update(learning_rate=3e-4, warmup_steps=10_000)
    return config
