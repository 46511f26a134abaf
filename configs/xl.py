r"""The published size: 2.17 B-parameter DiT on the latents of DashengTokenizer.

    audiogen encode-dataset clips.jsonl --output datasets/latents \
        --checkpoint mispeech/dashengtokenizer
    audiogen convert google/flan-t5-large checkpoints/flan-t5-large
    audiogen convert mispeech/dashengtokenizer checkpoints/dashengtokenizer
    audiogen train --distributed --config xl --workdir runs/xl

Hyperparameters are those of the publication (Dasheng AudioGen, Xiaomi Research): AdamW at 5e-4 with
cosine decay to a tenth, batches of 256 clips of 10 s, 800k steps, view dropout 0.2; the text
encoder is frozen. `audiogen plan --config xl --topology v5e:16x16` says what a step
costs before any chip is paid for. This repository's authors have never trained it in full.
`:finetune` starts from a generator of this size (--set init=NAME), `:lora` trains adapters on them,
`:few_steps` distils it into a flow map of few steps (IntMeanFlow, arXiv:2510.07979), `:smoke` is a
two-step check.
"""

from ml_collections import ConfigDict, config_dict

from .common import adamw, adapters, check_argument, on_a_pod, smoke, training


def get_config(arg: str = "") -> ConfigDict:
    check_argument(arg, ("", "finetune", "lora", "few_steps", "smoke"))
    config = training(
        "flow_matching",
        steps=800_000,
        log_every=50,
        export_every=20_000,
        keep_checkpoints=3,
        sample_every=5000,
        eval=dict(every=5000),
    )
    # Beyond some 64 devices, mesh.data=-1 mesh.fsdp=16 sends far less: parts of at least 16 rows
    # fill the tiles of a TPU.
    on_a_pod(config)
    config.tokenizer = "checkpoints/dashengtokenizer"
    config.text_encoder = "checkpoints/flan-t5-large"
    config.init = config_dict.placeholder(str)  # a generator to start from
    config.lora = adapters()
    config.ema_decay = 0.9999
    config.time_sampling = ConfigDict(dict(kind="logit_normal", mean=0.0, std=1.0))
    config.duration_weight = 0.1
    config.dtype = "bfloat16"  # of activations; parameters, moments and averages are float32
    config.remat = "nothing_saveable"

    config.model = ConfigDict()
    config.model.text_encoder = dict(
        vocab_size=32128, d_model=1024, d_kv=64, d_ff=2816, num_layers=24, num_heads=16
    )
    config.model.audiogen = dict(
        latent_dim=1280,
        dit_in_chans=1280,
        dit_out_chans=1280,
        dit_embed_dim=1536,
        dit_depth=32,
        dit_num_heads=24,
        dit_mlp_ratio=4.0,
    )

    config.data = ConfigDict()
    config.data.datasets = (("datasets/latents", 1.0),)  # (folder, share of the clips)
    config.data.buckets = (10.0,)  # seconds; shorter clips are padded and masked
    config.data.batch_sizes = (256,)
    config.data.view_dropout = 0.2
    config.data.condition_dropout = 0.1
    config.data.text_tokenizer = "checkpoints/flan-t5-large/tokenizer.json"
    config.data.max_tokens = (256,)
    config.data.num_threads = 8
    config.optimizer = adamw(5e-4, warmup_steps=10_000)

    if arg in ("finetune", "lora", "few_steps"):
        config.tokenizer = config_dict.placeholder(str)  # that of init, as its text tokenizer
        config.text_encoder = config.get_oneway_ref("init")
        config.data.text_tokenizer = config_dict.placeholder(str)
        config.steps = 20_000
        config.needs_init = True
        config.optimizer.learning_rate = 5e-5 if arg == "finetune" else 2e-4
        config.optimizer.warmup_steps = 500
        config.data.batch_sizes = (64,)
        if arg == "lora":
            config.lora = adapters(16)
            config.sharding = "dp"
            config.mesh.update(data=-1, fsdp=1)
        elif arg == "few_steps":
            config.objective = "flow_map_distillation"
            config.text_encoder = config_dict.placeholder(str)  # that of init, which stays
            config.update(trajectory_steps=16, few=(2, 4, 8), jumps=2, guidance=(1.0, 6.0))
            config.data.condition_dropout = 0.0
            config.optimizer.learning_rate = 1e-4
    elif arg == "smoke":
        smoke(config)
        config.dtype = "float32"
        config.model.text_encoder.update(d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
        config.model.audiogen.update(
            latent_dim=16,
            dit_in_chans=16,
            dit_out_chans=16,
            dit_embed_dim=32,
            dit_depth=2,
            dit_num_heads=2,
            content_dim=16,
            task_instruction_dim=16,
            instruction_seq_len=1,
            dit_context_dim=16,
            dit_ta_context_dim=16,
            adapter_num_heads=2,
            duration_predictor_filter_channels=8,
            duration_predictor_n_layers=1,
        )
        config.data.max_tokens = (32,)
    return config
