r"""Audio-Omni from its start: a 3.05 B-parameter network beside a frozen thinker and codec.

    audiogen encode-dataset clips.jsonl --output datasets/omni --checkpoint checkpoints/omni/codec \
        --max-seconds 11 --pad-seconds 11 --prompts-with checkpoints/omni
    audiogen train --distributed --config omni --workdir runs/omni

The thinker reads each prompt once, while the dataset is made, and not in the training; a dataset
that another thinker, wording or size has read is refused. `checkpoints/omni` is a copy by `audiogen
convert` of a released model; a thinker (Qwen/Qwen2.5-Omni-3B) and any codec will do. Rows of the
manifest may have a `transcript`, a `video`, an `edit` with `source`, `what` and `to`; see
docs/training.md.

Latents are drawn from the codec's posterior, as the release does; `encode-dataset --posterior mean`
stores their means. `:one_gpu` trains all parameters on one GPU of 80 GB, planned at 60.6 of 74.5
GiB: 8 clips a step, a first moment in bfloat16, no average of the parameters.

Hyperparameters are those of the paper (Tian et al. 2026, https://arxiv.org/abs/2604.10708): AdamW
at 5e-5, moments 0.9 and 0.999, decay 1e-3, 80k steps of 5120 clips, noise levels drawn evenly. Of
the voice of a clip with words 70 to 100 % is hidden, as in the released configuration; `:paper`
hides 20 to 75 %, as the paper says. Transcripts are never hidden: nothing published does. Nor does
anything say how often a clip is shown without its context, for guidance: 10 % is the usual choice.
`audiogen plan --config omni --topology v5e:2x4 --batch 64` says what a step costs, `--sampler
--sharding fsdp` what sampling does. This repository's authors have never trained it. `:small` has
0.15 B parameters, for one accelerator, `:finetune` goes on from a released model
(--set init=FOLDER), `:smoke` is a two-step check.

`--set model.halved_init=True` halves every parameter of the velocity network before the first step,
norms and frequencies too, as the release did: its wrapper came after the initialisation.
"""

from ml_collections import ConfigDict, config_dict

from .common import adamw, adapters, check_argument, on_a_pod, smoke, training

WINDOW = 236 * 2048 / 44100
"""Seconds of the clips of the training."""


def get_config(arg: str = "") -> ConfigDict:
    check_argument(arg, ("", "paper", "small", "one_gpu", "finetune", "smoke"))
    config = training(
        "flow_matching",
        steps=80_000,
        log_every=50,
        export_every=20_000,
        keep_checkpoints=3,
        sample_every=0,
        eval=dict(every=2000),
    )
    on_a_pod(config)
    config.model_type = "audio_omni"
    config.tokenizer = "checkpoints/omni/codec"
    config.text_encoder = "checkpoints/omni"  # what has read the prompts
    config.init = config_dict.placeholder(str)  # a generator to start from
    config.lora = adapters()
    config.ema_decay = 0.9999
    config.time_sampling = ConfigDict(dict(kind="uniform", mean=0.0, std=1.0))
    config.duration_weight = 0.0  # it predicts none
    config.dtype = "bfloat16"  # of activations; parameters, moments and averages are float32
    config.remat = "nothing_saveable"

    model = ConfigDict(dict(halved_init=False))
    model.omni = dict(mask_ratio_start=0.7, mask_ratio_end=1.0)  # else as published
    if arg == "paper":
        model.omni.update(mask_ratio_start=0.2, mask_ratio_end=0.75)
    elif arg == "small":
        model.omni.update(embed_dim=768, depth=12, num_heads=12)
    elif arg == "smoke":
        model.omni.update(embed_dim=64, depth=2, num_heads=2, text_layers=1)
    model.thinker = dict()  # as published, for `plan --sampler` alone
    # Of `finetune` the sizes are those of init.
    config.model = config_dict.placeholder(dict) if arg == "finetune" else model

    config.data = ConfigDict()
    config.data.datasets = (("datasets/omni", 1.0),)  # (folder, share of the clips)
    config.data.encoded_prompts = True
    config.data.buckets = (WINDOW,)
    config.data.batch_sizes = (5120,)
    config.data.condition_dropout = 0.1
    config.data.max_tokens = (128,)  # states of the thinker, for `plan`: 2048 where videos are
    config.data.crop = "start"  # where prompts begin
    config.data.num_threads = 8
    config.optimizer = adamw(5e-5, warmup_steps=1000, b1=0.9, b2=0.999, weight_decay=1e-3)
    config.optimizer.first_moment_dtype = "float32"

    if arg == "small":
        config.data.batch_sizes = (64,)
        config.steps = 200_000
        config.optimizer.learning_rate = 1e-4
        config.sharding = "dp"
        config.mesh.update(data=-1, fsdp=1)
    elif arg == "one_gpu":
        config.data.batch_sizes = (8,)
        config.optimizer.first_moment_dtype = "bfloat16"
        config.ema_decay = 0.0
    elif arg == "finetune":
        config.tokenizer = config_dict.placeholder(str)  # that of init
        config.text_encoder = config.get_oneway_ref("init")
        config.needs_init = True
        config.steps = 20_000
        config.data.batch_sizes = (64,)
        config.optimizer.warmup_steps = 500
    elif arg == "smoke":
        smoke(config)
        config.dtype = "float32"
        config.data.buckets = (WINDOW,)
        config.data.max_tokens = (32,)
    return config
