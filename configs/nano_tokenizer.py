r"""Stage (b) of the nano model: acoustic injection and decoder, the semantic encoder frozen.

    audiogen train --config nano_tokenizer --workdir runs/tokenizer \
        --set init.encoder=runs/encoder/export

The sizes are those of the encoder's export. Two CPU cores: 5 steps/s without the adversary, so 17
minutes for the first 5000 steps. Expected validation mel distance: 0.29 at step 5000, 0.29 at 5500.
`:mel` is the baseline of the reconstruction table, Vocos on mel: the same decoder on latents that
are mel patches through one linear layer, as many values per second; about as long, and
`audiogen evaluate MANIFEST --part reconstruction --checkpoint WORKDIR/export` measures it.
`:smoke` is a two-step check, one step without and one with the adversary.
"""

from ml_collections import ConfigDict, config_dict

from .common import adamw, check_argument, smoke, training


def get_config(arg: str = "") -> ConfigDict:
    check_argument(arg, ("", "mel", "smoke"))
    config = training("tokenizer", steps=7000, export_every=1500, eval=dict(batches=4))
    config.init = ConfigDict(dict(encoder=config_dict.placeholder(str), silent=False))
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

    moments = dict(b1=0.8, b2=0.99, clip_norm=10.0)
    config.optimizer = adamw(1e-3, warmup_steps=200, **moments)
    config.gan = ConfigDict(dict(start_step=5000, n_ffts=(1024, 512, 256), channels=16))
    config.gan.optimizer = adamw(3e-4, warmup_steps=200, weight_decay=0.0, **moments)

    if arg == "mel":
        config.init.silent = True
        config.weights.semantic = 0.0
    if arg == "smoke":
        smoke(config)
        config.gan.update(start_step=1, n_ffts=(256, 128), channels=4)
        config.gan.optimizer.warmup_steps = 0
        config.statistics_batches = 1
    return config
