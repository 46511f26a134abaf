r"""Stage (c) of the nano model: text encoder, content adapter and DiT on the tokenizer's latents.

    audiogen train --config nano_generator --workdir runs/scenes \
        --set tokenizer=runs/tokenizer/export --set text_encoder=datasets/text_encoder

Scenes are mixed while it trains, in many wordings (`data.widen_captions`), half of them with the
times of what is heard. The text encoder is distilled from a sentence encoder before
(`data.distill_text_encoder`) and stays as it is. An H100 does 10 steps/s.

What it says by then is hard to hear under other sounds. `:speech` goes on from it with more words,
alone and in scenes; two CPU cores do 0.8 steps/s:

    audiogen train --config nano_generator:speech --workdir runs/speech \
        --set init=runs/scenes/export --set text_encoder=runs/scenes/export

By then it speaks well and hardly knows rain beside a voice. `:balanced` goes on in the same way
from that export, with ambience that fills its scenes and fewer words alone; what ships went through
it twice.

Expected: losses of 0.36 after 2200 steps of `:speech` and 0.35 after 2000 of `:balanced` (latents
of unit variance: 2.0 = predicting nothing). `:smoke` is a two-step check.
"""

from ml_collections import ConfigDict, config_dict

from .common import adamw, adapters, check_argument, smoke, training

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
    check_argument(arg, ("", "speech", "balanced", "smoke"))
    config = training("flow_matching", steps=3192, log_every=50, eval=dict(every=1000, batches=4))
    config.tokenizer = config_dict.placeholder(str)  # the audio tokenizer, or that of init
    config.init = config_dict.placeholder(str)  # a generator to start from
    config.text_encoder = config_dict.placeholder(str)  # one that stays frozen
    config.dtype = "float32"
    config.lora = adapters()
    config.ema_decay = 0.9995
    # Most draws near the noise: which word or sound it will be is decided there (t above 0.8).
    config.time_sampling = ConfigDict(dict(kind="logit_normal", mean=0.8, std=1.3))
    config.duration_weight = 0.1

    config.model = ConfigDict()
    config.model.text_encoder = dict(
        vocab_size=4096, d_model=256, d_kv=64, d_ff=768, num_layers=6, num_heads=4
    )
    config.model.audiogen = dict(
        timeline=True,
        latent_dim=128,
        dit_in_chans=128,
        dit_out_chans=128,
        dit_embed_dim=320,
        dit_depth=4,
        dit_img_size=125,  # 5 s; longer clips are sampled in windows of it
        dit_num_heads=5,
        dit_mlp_ratio=2.0,
        content_dim=256,
        task_instruction_dim=256,
        dit_context_dim=256,
        dit_ta_context_dim=256,
        adapter_num_heads=4,
        instruction_seq_len=1,
        duration_predictor_filter_channels=128,
        duration_predictor_n_layers=2,
        text_encoder_name="text_encoder",
        tokenizer_name="tokenizer",
        tokenizer_max_length=128,
    )

    config.data = ConfigDict()
    config.data.manifests = WORDED
    config.data.buckets = (1.0, 2.0, 5.0)
    config.data.batch_sizes = (192, 128, 48)
    config.data.max_tokens = (28, 72, 72)  # the longest captions of single clips and of scenes
    config.data.num_workers = 13
    config.data.view_dropout = 0.2
    config.data.condition_dropout = 0.1
    config.data.text_tokenizer = "datasets/tokenizer.json"
    config.data.scenes = dict(
        weight=10.0, buckets=(0.0, 0.75, 0.25), scenes=143_640, manifests=LAYERS
    )
    config.optimizer = adamw(1e-3, warmup_steps=500, b2=0.99)

    if arg in ("speech", "balanced"):
        speech(config)
    if arg == "balanced":
        balanced(config)
    if arg == "smoke":
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
        config.data.num_workers = 0
        config.data.scenes = None
    return config


def speech(config: ConfigDict) -> None:
    """Changes with which the model goes on: more words, under sounds and music."""
    config.steps = 6000
    config.needs_init = True
    config.ema_decay = 0.998
    config.eval.batches = 0
    config.optimizer.learning_rate = 5e-4
    config.optimizer.warmup_steps = 40
    words = {"fsdd": 6.0, "words": 12.0, "esc10": 1.0, "music": 0.3, "ambience": 0.2, "sfx_cc": 0.3}
    config.data.manifests = tuple(
        (f"datasets/worded/{name}.jsonl", share) for name, share in words.items()
    )
    config.data.text_tokenizer = config_dict.placeholder(str)  # that of init
    config.data.batch_sizes = (64, 32, 12)
    config.data.num_workers = 0
    config.data.view_dropout = 0.15
    layers = {"fsdd": 5.0, "words": 6.0, "esc10": 5.0, "sfx_cc": 2.0, "ambience": 2.0, "music": 2.0}
    config.data.scenes = dict(
        weight=9.0,
        buckets=(0.0, 0.92, 0.08),
        scenes=80_000,
        headroom=(3.0, 0.0),
        one_word=0.8,
        manifests=tuple((f"datasets/worded/{name}.jsonl", share) for name, share in layers.items()),
        categories=dict(
            S0A=0.5, SM0=0.2, SMA=0.15, S00=0.1, **{"00A": 0.03, "0MA": 0.01, "0M0": 0.01}
        ),
    )


def balanced(config: ConfigDict) -> None:
    """Changes to `speech` with which it goes on: places as loud and as long as real ones."""
    config.steps = 2000
    config.optimizer.learning_rate = 3e-4
    alone = {"fsdd": 6.0, "words": 4.0, "esc10": 3.0, "music": 0.5, "ambience": 0.5, "sfx_cc": 0.8}
    config.data.manifests = tuple(
        (f"datasets/worded/{name}.jsonl", share) for name, share in alone.items()
    )
    config.data.scenes.update(
        weight=12.0,
        buckets=(0.0, 0.72, 0.28),
        scenes=60_000,
        headroom=(0.0,),
        fill=True,
        timeline=0.65,
        categories=dict(
            S0A=0.45, SM0=0.12, SMA=0.13, S00=0.05, **{"00A": 0.2, "0MA": 0.03, "0M0": 0.02}
        ),
    )
