r"""Stage (b) of the nano model: acoustic injection and decoder, the semantic encoder frozen.

    audiogen train --config configs/nano_tokenizer.py --workdir runs/tokenizer \
        --set init.encoder=runs/encoder/export

The sizes are those of the encoder's export. Two CPU cores: 5 steps/s without the adversary, so 17
minutes for the first 5000 steps. Expected validation mel distance: 0.29 at step 5000, 0.29 at 5500.
`:smoke` is a two-step check, one step without and one with the adversary.
"""

from ml_collections import ConfigDict


def get_config(arg: str = "") -> ConfigDict:
    config = ConfigDict()
    config.objective = "tokenizer"
    config.seed = 0
    config.steps = 7000
    config.max_seconds = 0.0  # > 0: stop with a checkpoint after this time

    config.init = ConfigDict(dict(encoder=""))
    config.freeze_injection_after = 2500  # steps; latents stay as they are from then on
    config.ema_decay = 0.999
    config.statistics_batches = 100
    config.weights = ConfigDict(dict(mel=45.0, semantic=1.0, adversarial=1.0, feature_matching=2.0))

    config.data = ConfigDict()
    config.data.manifests = (  # shares of the clips
        ("datasets/manifests/speech.jsonl", 0.30),
        ("datasets/manifests/words.jsonl", 0.10),
        ("datasets/manifests/fsdd.jsonl", 0.10),
        ("datasets/manifests/esc10.jsonl", 0.15),
        ("datasets/manifests/music.jsonl", 0.15),
        ("datasets/manifests/sfx_cc.jsonl", 0.07),
        ("datasets/manifests/ambience.jsonl", 0.06),
        ("datasets/synthetic/synthetic.jsonl", 0.07),
    )
    config.data.buckets = (1.0,)
    config.data.batch_sizes = (16,)

    config.optimizer = ConfigDict()
    config.optimizer.learning_rate = 1e-3
    config.optimizer.warmup_steps = 200
    config.optimizer.b1 = 0.8
    config.optimizer.b2 = 0.99
    config.optimizer.weight_decay = 0.01
    config.optimizer.clip_norm = 10.0

    config.gan = ConfigDict()
    config.gan.start_step = 5000
    config.gan.n_ffts = (1024, 512, 256)
    config.gan.channels = 16
    config.gan.optimizer = ConfigDict()
    config.gan.optimizer.learning_rate = 3e-4
    config.gan.optimizer.warmup_steps = 200
    config.gan.optimizer.b1 = 0.8
    config.gan.optimizer.b2 = 0.99
    config.gan.optimizer.weight_decay = 0.0
    config.gan.optimizer.clip_norm = 10.0

    config.mesh = ConfigDict(dict(data=-1, fsdp=1, tensor=1, dcn_data=1))  # -1: all devices
    config.sharding = "dp"
    config.gradient_dtype = "float32"
    config.remat = ""
    config.accumulate = 1
    config.guard = ConfigDict(dict(spike=0.0, limit=0))  # 0: stop at the first bad step
    config.log_every = 20
    config.checkpoint_every = 500
    config.export_every = 1500
    config.keep_checkpoints = 2
    config.keep_every = 0
    config.sample_every = 0
    config.eval = ConfigDict(dict(every=500, batches=4, seed=0))

    if arg == "smoke":
        config.steps = 2
        config.gan.start_step = 1
        config.gan.n_ffts = (256, 128)
        config.gan.channels = 4
        config.data.batch_sizes = (8,)
        config.optimizer.warmup_steps = 0
        config.gan.optimizer.warmup_steps = 0
        config.statistics_batches = 1
        config.log_every = 1
        config.eval.batches = 1
    elif arg:
        raise ValueError(f"unknown config argument {arg!r}: expected '' or 'smoke'")
    return config
