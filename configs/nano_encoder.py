r"""Stage (a) of the nano model: semantic encoder by masked autoencoding of mel patches.

    audiogen train --config nano_encoder --workdir runs/encoder

Two CPU cores, 7 minutes (5 steps/s). Expected: validation loss 0.18, the mean squared error of
masked patches that are normalised one by one (predicting their mean gives 1). `:smoke` is a
two-step check. `data/README.md` says how the data are made.
"""

from ml_collections import ConfigDict

from .common import adamw, check_argument, smoke, training


def get_config(arg: str = "") -> ConfigDict:
    check_argument(arg, ("", "smoke"))
    config = training("masked_autoencoder", steps=2000)
    config.model = ConfigDict()
    config.model.tokenizer = dict(
        embed_dim=128,
        depth=4,
        num_heads=4,
        n_mels_patch=128,
        decoder_embed_dim=256,
        decoder_depth=8,
        decoder_intermediate_size=768,
    )
    config.model.decoder_depth = 2
    config.statistics_batches = 100

    config.data = ConfigDict()
    config.data.manifests = (
        ("datasets/manifests/singles.jsonl", 0.85),
        ("datasets/synthetic/synthetic.jsonl", 0.15),
    )
    config.data.buckets = (4.0,)
    config.data.batch_sizes = (16,)
    config.optimizer = adamw(1e-3, warmup_steps=200, weight_decay=0.05)

    if arg == "smoke":
        smoke(config)
        config.model.tokenizer.update(
            embed_dim=16,
            depth=1,
            num_heads=2,
            n_mels_patch=16,
            decoder_embed_dim=16,
            decoder_depth=1,
            decoder_intermediate_size=32,
        )
        config.model.decoder_depth = 1
        config.statistics_batches = 1
    return config
