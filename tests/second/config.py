"""A training of the second generator; CODEC, TEXT and DATA are set on the command line."""

from ml_collections import ConfigDict, config_dict

from configs.common import adamw, training


def get_config(arg: str = "") -> ConfigDict:
    config = training("flow_matching", steps=4, log_every=1, eval=dict(every=4, batches=1))
    config.model_type = "bag"
    config.model = ConfigDict(dict(latent_dim=6, width=16))
    config.tokenizer = config_dict.placeholder(str)
    config.init = config_dict.placeholder(str)
    config.text_encoder = config_dict.placeholder(str)
    config.dtype = "float32"
    config.lora = ConfigDict(dict(rank=0, alpha=0.0))
    config.ema_decay = 0.9
    config.time_sampling = ConfigDict(dict(kind="uniform", mean=0.0, std=1.0))
    config.duration_weight = 0.1
    config.optimizer = adamw(1e-2, warmup_steps=1)
    config.data = ConfigDict(dict(buckets=(0.5,), batch_sizes=(8,), max_tokens=32))
    config.data.view_dropout, config.data.condition_dropout = 0.2, 0.1
    config.data.text_tokenizer = "tokenizer.json"
    if arg == "audio":
        config.data.manifests = (("clips.jsonl", 1.0),)
        config.data.crop = "start"
    else:
        config.data.datasets = (("latents", 1.0),)
    return config
