r"""The nano model in few steps: a flow map of its guided trajectories, as low-rank adapters.

    audiogen train --config nano_few_steps --workdir runs/few_steps --set init=nano

Each step makes its trajectories anew: 32 calls of the teacher for each clip, so that a GPU is
needed. The recipe follows IntMeanFlow (https://arxiv.org/abs/2510.07979).
"""

from ml_collections import ConfigDict, config_dict

from .common import adamw, check_argument, training
from .nano_generator import LAYERS, WORDED


def get_config(arg: str = "") -> ConfigDict:
    check_argument(arg, ("",))
    config = training("distillation", steps=4000, log_every=50, eval=dict(every=1000, batches=2))
    config.init = config_dict.placeholder(str)  # the generator to distil
    config.tokenizer = config_dict.placeholder(str)
    config.text_encoder = config_dict.placeholder(str)
    config.model = config_dict.placeholder(dict)
    config.dtype = "float32"
    config.lora = ConfigDict(dict(rank=64, alpha=64.0))
    config.ema_decay = 0.999
    config.time_sampling = ConfigDict(dict(kind="uniform", mean=0.0, std=1.0))
    config.duration_weight = 0.0
    config.trajectory_steps = 16
    config.few = (2, 4, 8)
    config.jumps = 8
    config.guidance = (1.0, 6.0)
    config.data = ConfigDict(
        dict(
            manifests=WORDED,
            buckets=(2.0, 5.0),
            batch_sizes=(64, 24),
            view_dropout=0.2,
            condition_dropout=0.0,
            text_tokenizer=config_dict.placeholder(str),
            max_tokens=(112, 128),
            num_workers=0,
        )
    )
    config.data.scenes = dict(weight=8.0, buckets=(0.75, 0.25), scenes=1, manifests=LAYERS)
    config.optimizer = adamw(5e-4, warmup_steps=200, b2=0.95, weight_decay=0.0)
    return config
