r"""Stage (a) of the nano model: semantic encoder by masked autoencoding of mel patches.

    audiogen train --config configs/nano_encoder.py --workdir runs/encoder

Two CPU cores, 7 minutes (5 steps/s). Expected: validation loss 0.18, the mean squared error of
masked patches that are normalised one by one (predicting their mean gives 1). `:smoke` is a
two-step check. `data/README.md` says how the data are made.
"""

from ml_collections import ConfigDict


def get_config(arg: str = "") -> ConfigDict:
    config = ConfigDict()
    config.objective = "masked_autoencoder"
    config.seed = 0
    config.steps = 2000
    config.max_seconds = 0.0  # > 0: stop with a checkpoint after this time

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

    config.optimizer = ConfigDict()
    config.optimizer.learning_rate = 1e-3
    config.optimizer.warmup_steps = 200
    config.optimizer.b1 = 0.9
    config.optimizer.b2 = 0.95
    config.optimizer.weight_decay = 0.05
    config.optimizer.clip_norm = 1.0

    config.mesh = ConfigDict(dict(data=-1, fsdp=1, tensor=1, dcn_data=1))  # -1: all devices
    config.sharding = "dp"
    config.gradient_dtype = "float32"
    config.remat = ""
    config.accumulate = 1
    config.guard = ConfigDict(dict(spike=0.0, limit=0))  # 0: stop at the first bad step
    config.log_every = 20
    config.checkpoint_every = 500
    config.export_every = 1000
    config.keep_checkpoints = 2
    config.keep_every = 0
    config.sample_every = 0
    config.eval = ConfigDict(dict(every=500, batches=8, seed=0))

    if arg == "smoke":
        config.steps = 2
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
        config.data.buckets = (1.0,)
        config.data.batch_sizes = (8,)
        config.optimizer.warmup_steps = 0
        config.statistics_batches = 1
        config.log_every = 1
        config.eval.batches = 1
    elif arg:
        raise ValueError(f"unknown config argument {arg!r}: expected '' or 'smoke'")
    return config
