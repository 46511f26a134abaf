r"""The nano model learns to edit: to take a sound out, to keep it alone, to add one.

    audiogen train --config nano_editor --workdir runs/editor --set init=nano

Pairs are mixed while it trains, with one to three events over a background. What is added is
learned alone, so that it can be mixed into a recording that stays as it is; what is taken out and
what is left are shares of the recording's own spectrum (`audiogen_jax.infer.separation`).
`:smoke` is a two-step check.
"""

from ml_collections import ConfigDict, config_dict

from .common import adamw, adapters, check_argument, smoke, training
from .nano_generator import LAYERS


def get_config(arg: str = "") -> ConfigDict:
    check_argument(arg, ("", "smoke"))
    config = training(
        "editing", steps=8000, log_every=50, checkpoint_every=200, eval=dict(every=2000, batches=8)
    )
    config.init = config_dict.placeholder(str)  # the generator to start from
    config.tokenizer = config_dict.placeholder(str)
    config.text_encoder = config_dict.placeholder(str)
    config.model = config_dict.placeholder(dict)
    config.dtype = "float32"
    config.lora = adapters()
    config.ema_decay = 0.999
    # Nearly all draws near the noise, where the source alone says what the result is: masks are
    # steered by the mean of what could be, one step from noise.
    config.time_sampling = ConfigDict(dict(kind="logit_normal", mean=2.5, std=2.0))
    config.duration_weight = 0.0  # a result is as long as its source
    config.data = ConfigDict(
        dict(
            buckets=(2.5, 5.0),
            batch_sizes=(16, 8),
            condition_dropout=0.1,
            source_dropout=0.05,
            text_tokenizer=config_dict.placeholder(str),
            max_tokens=96,
            num_workers=0,
            stems=True,
        )
    )
    config.data.edits = dict(
        weight=1.0,
        buckets=(0.75, 0.25),
        manifests=LAYERS,
        kinds={"extract": 0.4, "remove": 0.4, "add": 0.2},
        snr=(-6.0, 9.0),  # wider than pairs to be judged by, so that no level is strange
    )
    config.optimizer = adamw(5e-4, warmup_steps=200, b2=0.99)
    if arg == "smoke":
        smoke(config)
        config.data.edits.buckets = (1.0,)
    return config
