r"""The nano model in few steps, as low-rank adapters: one call a step instead of two and more.

    audiogen train --config nano_few_steps --workdir runs/few_steps --set init=nano
    audiogen generate "Rain." --checkpoint runs/few_steps/export --steps 4

The student learns the guided velocity (Meng et al. 2022, https://arxiv.org/abs/2210.03142) on the
mixtures of the generator's last stage. An H100 does 40 steps/s. Expected: an `error` of 0.074 after
3700 steps. `:flow_map` learns the mean velocity between any two levels
of the teacher's way (IntMeanFlow, https://arxiv.org/abs/2510.07979): 32 calls of the teacher for
each clip of each step, so that a GPU is needed.
"""

from ml_collections import ConfigDict, config_dict

from . import nano_generator
from .common import adamw, adapters, check_argument, training
from .nano_generator import LAYERS, WORDED


def get_config(arg: str = "") -> ConfigDict:
    check_argument(arg, ("", "flow_map"))
    config = flow_map() if arg else guided()
    config.model = config_dict.placeholder(dict)  # that of init, the generator to distil
    config.lora = adapters(40)
    config.time_sampling = ConfigDict(dict(kind="uniform", mean=0.0, std=1.0))
    config.duration_weight = 0.1  # what adapts the content would shift them
    config.guidance = (1.0, 6.0)
    config.data.condition_dropout = 0.0
    return config


def guided() -> ConfigDict:
    """On the mixtures of the last stage, where a voice counts more than what is beside it."""
    config = nano_generator.get_config("balanced")
    with config.unlocked():
        del config["model"]
    config.objective = "guidance_distillation"
    config.steps = 4000
    config.ema_decay = 0.998
    config.view_guidance = dict(speech=1.5)
    config.data.batch_sizes = (128, 96, 36)
    config.optimizer = adamw(5e-4, warmup_steps=100, b2=0.99, weight_decay=0.0)
    return config


def flow_map() -> ConfigDict:
    """On trajectories."""
    config = training(
        "flow_map_distillation", steps=4000, log_every=50, eval=dict(every=1000, batches=2)
    )
    config.init = config_dict.placeholder(str)
    config.tokenizer = config_dict.placeholder(str)
    config.text_encoder = config_dict.placeholder(str)
    config.dtype = "float32"
    config.ema_decay = 0.999
    config.trajectory_steps = 16
    config.few = (2, 4, 8)
    config.jumps = 8
    config.data = ConfigDict(
        dict(
            manifests=WORDED,
            buckets=(2.0, 5.0),
            batch_sizes=(64, 24),
            view_dropout=0.2,
            text_tokenizer=config_dict.placeholder(str),
            max_tokens=(112, 128),
            num_workers=0,
        )
    )
    config.data.scenes = dict(weight=8.0, buckets=(0.75, 0.25), scenes=1, manifests=LAYERS)
    config.optimizer = adamw(5e-4, warmup_steps=200, b2=0.95, weight_decay=0.0)
    return config
