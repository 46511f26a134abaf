r"""Any generator goes on with recordings of yours: nano, a hub model, or the export of a training.

    audiogen manifest wavs --captions captions.csv --output clips.jsonl
    audiogen train --config finetune --set data=clips.jsonl --set init=nano --workdir runs/mine
    audiogen generate --checkpoint runs/mine/export --caption "rain" --output rain.wav

`data` is a manifest, a tar file, a folder of `audiogen encode-dataset`, or several of one kind.
`init` gives the sizes, the codec, the text tokenizer and the text encoder, which stays as it is
(`--set text_encoder=` trains it along). `:lora` trains adapters instead, for a model whose moments
do not fit. The 1000 steps take some 20 minutes of one CPU core for nano (0.9 a second).
"""

import jax
from ml_collections import ConfigDict, config_dict

from .common import adamw, adapters, check_argument, training

BATCHES = {2.0: 16, 10.0: 4}
"""Seconds of a bucket -> clips of a batch; few, as each is a program to compile."""


def get_config(arg: str = "") -> ConfigDict:
    check_argument(arg, ("", "lora"))
    config = training(
        "flow_matching",
        steps=1000,
        log_every=10,
        checkpoint_every=100,
        export_every=200,
        guard=dict(limit=10),
        eval=dict(every=100, batches=4),
    )
    config.init = config_dict.placeholder(str)
    config.tokenizer = config_dict.placeholder(str)  # that of init
    config.text_encoder = config.get_oneway_ref("init")
    config.model = config_dict.placeholder(dict)  # the sizes of init
    config.dtype = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    config.lora = adapters()
    config.ema_decay = 0.99  # over the last 100 steps: the export is of the average
    config.time_sampling = ConfigDict(dict(kind="logit_normal", mean=0.0, std=1.0))
    config.duration_weight = 0.1
    config.optimizer = adamw(1e-4, warmup_steps=10)

    config.data = ConfigDict()
    config.data.manifests = ()
    config.data.buckets = tuple(BATCHES)  # up to the longest clip of init: 5 s of nano
    devices = jax.device_count()
    config.data.batch_sizes = tuple(-(-clips // devices) * devices for clips in BATCHES.values())
    config.data.view_dropout = 0.2
    config.data.condition_dropout = 0.1
    config.data.text_tokenizer = config_dict.placeholder(str)  # that of init
    config.data.max_tokens = (512,)  # up to the longest text of init

    if arg == "lora":
        config.lora = adapters(16)
        config.optimizer.learning_rate = 5e-4
    return config
