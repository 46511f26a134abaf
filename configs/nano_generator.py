r"""Stage (c) of the nano model: text encoder, content adapter and DiT on the tokenizer's latents.

    audiogen train --config nano_generator --workdir runs/generator \
        --set tokenizer=runs/tokenizer/export

Two CPU cores: 2.5 to 3 steps/s, so 40 minutes alone. Expected: validation flow loss 0.41 (latents
of unit variance: 2.0 = predicting nothing). `:smoke` is a two-step check.

Then the same model goes on with mixtures as half of its steps:

    audiogen train --config nano_generator:mixtures --workdir runs/mixtures \
        --set tokenizer=runs/tokenizer/export --set init=runs/generator/export

`:scenes` is the second edition: scenes are mixed while it trains, in many wordings
(`data.widen_captions`), half of them with the times of what is heard, and the text encoder is
distilled from a sentence encoder before (`data.distill_text_encoder`) and stays as it is. It is
made for a GPU: 10 steps/s on an H100. The model in the package is the first edition: after these
3192 steps command words are heard less often than from it.

    audiogen train --config nano_generator:scenes --workdir runs/scenes \
        --set tokenizer=runs/tokenizer/export --set text_encoder=datasets/text_encoder

What it says by then is hard to hear under other sounds. `:speech` goes on from it with more words,
alone and in scenes, on two CPU cores:

    audiogen train --config nano_generator:speech --workdir runs/speech \
        --set init=runs/scenes/export --set text_encoder=runs/scenes/export
"""

from ml_collections import ConfigDict, config_dict

from .common import adamw, check_argument, smoke, training

WORDED = (  # (path, share of the clips)
    ("datasets/worded/fsdd.jsonl", 7.0),
    ("datasets/worded/words.jsonl", 1.8),
    ("datasets/worded/esc10.jsonl", 2.0),
    ("datasets/worded/music.jsonl", 0.5),
    ("datasets/worded/ambience.jsonl", 0.4),
    ("datasets/worded/sfx_cc.jsonl", 0.8),
    ("datasets/worded/speech.jsonl", 0.2),
)
"""Clips that are heard alone."""
LAYERS = (  # (path, share of the clips of a role)
    ("datasets/worded/fsdd.jsonl", 5.0),
    ("datasets/worded/words.jsonl", 2.5),
    ("datasets/worded/speech.jsonl", 0.5),
    ("datasets/worded/esc10.jsonl", 5.0),
    ("datasets/worded/sfx_cc.jsonl", 2.0),
    ("datasets/worded/ambience.jsonl", 2.0),
    ("datasets/worded/music.jsonl", 2.0),
)
"""What scenes are mixed of."""


def get_config(arg: str = "") -> ConfigDict:
    check_argument(arg, ("", "mixtures", "scenes", "speech", "smoke"))
    config = training(
        "flow_matching", steps=6500, log_every=50, sample_every=1000, eval=dict(every=1000)
    )
    config.tokenizer = config_dict.placeholder(str)  # the audio tokenizer, or that of init
    config.init = config_dict.placeholder(str)  # a generator to start from
    config.text_encoder = config_dict.placeholder(str)  # one that stays frozen
    config.dtype = "float32"
    config.lora = ConfigDict(dict(rank=0, alpha=0.0))
    config.ema_decay = 0.999
    # Most draws near the noise: which word or sound it will be is decided there (t above 0.8).
    config.time_sampling = ConfigDict(dict(kind="logit_normal", mean=0.8, std=1.3))
    config.duration_weight = 0.1

    config.model = ConfigDict()
    config.model.text_encoder = dict(
        vocab_size=512, d_model=192, d_kv=48, d_ff=384, num_layers=2, num_heads=4
    )
    config.model.audiogen = dict(
        latent_dim=128,
        dit_in_chans=128,
        dit_out_chans=128,
        dit_embed_dim=256,
        dit_depth=4,
        dit_img_size=125,  # 5 s; longer clips are sampled in windows of it
        dit_num_heads=4,
        dit_mlp_ratio=2.0,
        content_dim=192,
        task_instruction_dim=192,
        dit_context_dim=192,
        dit_ta_context_dim=192,
        adapter_num_heads=4,
        instruction_seq_len=1,
        duration_predictor_filter_channels=128,
        duration_predictor_n_layers=2,
        text_encoder_name="text_encoder",
        tokenizer_name="tokenizer",
        tokenizer_max_length=128,
    )

    config.data = ConfigDict()
    config.data.manifests = (  # (path, share of the clips): short ones come in larger batches
        ("datasets/manifests/fsdd.jsonl", 15.0),
        ("datasets/manifests/words.jsonl", 3.2),
        ("datasets/synthetic/synthetic.jsonl", 4.5),
        ("datasets/manifests/esc10.jsonl", 3.0),
        ("datasets/scenes/scenes.jsonl", 1.5),
        ("datasets/manifests/music.jsonl", 0.7),
        ("datasets/manifests/ambience.jsonl", 0.4),
        ("datasets/manifests/sfx_cc.jsonl", 2.0),
        ("datasets/manifests/speech.jsonl", 0.1),
    )
    config.data.buckets = (0.6, 1.0, 2.0, 5.0)
    config.data.batch_sizes = (48, 32, 16, 8)
    config.data.view_dropout = 0.2
    config.data.condition_dropout = 0.1
    config.data.text_tokenizer = "datasets/tokenizer.json"
    config.data.max_tokens = (28, 32, 40, 64)  # enough for single sounds
    config.optimizer = adamw(8e-4, warmup_steps=300, b2=0.99)

    if arg == "mixtures":
        config.steps = 12000
        config.needs_init = True
        config.optimizer.learning_rate = 5e-4
        config.data.max_tokens = (28, 32, 112, 128)  # captions of mixtures are long: see them whole
        config.data.manifests = (
            ("datasets/manifests/fsdd.jsonl", 7.2),
            ("datasets/manifests/words.jsonl", 1.4),
            ("datasets/synthetic/synthetic.jsonl", 1.6),
            ("datasets/manifests/esc10.jsonl", 1.1),
            ("datasets/mixtures/scenes.jsonl", 4.2),
            ("datasets/scenes/scenes.jsonl", 2.1),
            ("datasets/manifests/music.jsonl", 0.4),
            ("datasets/manifests/ambience.jsonl", 0.2),
            ("datasets/manifests/sfx_cc.jsonl", 0.6),
            ("datasets/manifests/speech.jsonl", 0.1),
        )
    elif arg == "scenes":
        scenes(config)
    elif arg == "speech":
        scenes(config)
        speech(config)
    elif arg == "smoke":
        smoke(config)
        config.model.text_encoder.update(d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
        config.model.audiogen.update(
            latent_dim=16,
            dit_in_chans=16,
            dit_out_chans=16,
            dit_embed_dim=32,
            dit_depth=2,
            dit_num_heads=2,
            content_dim=16,
            task_instruction_dim=16,
            dit_context_dim=16,
            dit_ta_context_dim=16,
            adapter_num_heads=2,
            duration_predictor_filter_channels=8,
        )
        config.data.max_tokens = (32,)
    return config


def scenes(config: ConfigDict) -> None:
    """The second edition; its sizes and its data."""
    config.steps = 3192
    config.eval.batches = 4
    config.ema_decay = 0.9995
    config.model.text_encoder.update(
        vocab_size=4096, d_model=256, d_kv=64, d_ff=768, num_layers=6, num_heads=4
    )
    config.model.audiogen.update(
        timeline=True,
        dit_embed_dim=320,
        dit_num_heads=5,
        content_dim=256,
        task_instruction_dim=256,
        dit_context_dim=256,
        dit_ta_context_dim=256,
    )
    config.optimizer.learning_rate = 1e-3
    config.optimizer.warmup_steps = 500
    config.data.manifests = WORDED
    config.data.buckets = (1.0, 2.0, 5.0)
    config.data.batch_sizes = (192, 128, 48)
    config.data.max_tokens = (96, 112, 128)
    config.data.num_workers = 13
    config.data.scenes = dict(
        weight=10.0, buckets=(0.0, 0.75, 0.25), scenes=143_640, manifests=LAYERS
    )


def speech(config: ConfigDict) -> None:
    """Changes of `scenes` with which its model goes on."""
    config.steps = 2800
    config.needs_init = True
    config.ema_decay = 0.998
    config.eval.batches = 0
    config.optimizer.learning_rate = 5e-4
    config.optimizer.warmup_steps = 40
    words = {"fsdd": 8.0, "words": 4.0, "esc10": 0.8, "music": 0.3, "ambience": 0.2, "sfx_cc": 0.3}
    config.data.manifests = tuple(
        (f"datasets/worded/{name}.jsonl", share) for name, share in words.items()
    )
    config.data.text_tokenizer = config_dict.placeholder(str)  # that of init
    config.data.batch_sizes = (32, 24, 6)
    config.data.num_workers = 0
    config.data.view_dropout = 0.15
    layers = {"fsdd": 5.0, "words": 4.0, "esc10": 5.0, "sfx_cc": 2.0, "ambience": 2.0, "music": 2.0}
    config.data.scenes = dict(
        weight=9.0,
        buckets=(0.0, 0.92, 0.08),
        scenes=40_000,
        headroom=(3.0, 0.0),
        one_word=0.8,
        manifests=tuple((f"datasets/worded/{name}.jsonl", share) for name, share in layers.items()),
        categories=dict(
            S0A=0.5, SM0=0.2, SMA=0.15, S00=0.1, **{"00A": 0.03, "0MA": 0.01, "0M0": 0.01}
        ),
    )
