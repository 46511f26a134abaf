r"""A separator beside the nano model: it hears a named sound out of a recording.

    audiogen train --config nano_separator --workdir runs/separator --set init=nano
    audiogen edit remove street.wav --what "a dog barking" --checkpoint runs/separator/export

Pairs are mixed while it trains, with one to three events over a background; in a part of them the
named sound is not there. Mixing is what it waits for: an H100 beside 14 workers does 9 steps/s, two
CPU cores 0.5 of batches of 24 and 12. Expected: a loss of 0.31 after 760 steps. `warm_start` goes
on from the separator that the generator has.
`:smoke` is a two-step check.
"""

from ml_collections import ConfigDict, config_dict

from .common import adamw, check_argument, smoke, training
from .nano_generator import LAYERS

MANIFESTS = tuple(
    (path, 6.0 if path.endswith("speech.jsonl") else weight) for path, weight in LAYERS
)
"""What pairs are mixed of: the layers of scenes, with more sentences among the voices."""


def get_config(arg: str = "") -> ConfigDict:
    check_argument(arg, ("", "smoke"))
    config = training(
        "separation", steps=6000, checkpoint_every=200, eval=dict(every=1000, batches=8)
    )
    config.init = config_dict.placeholder(str)  # the generator that it stands beside
    config.warm_start = False  # True: go on from the separator beside it
    config.dtype = "float32"
    config.ema_decay = 0.999
    config.model = ConfigDict(
        dict(n_fft=1024, hop=320, width=256, depth=4, num_heads=4, hidden=768)
    )
    config.data = ConfigDict(
        dict(
            buckets=(2.5, 5.0),
            batch_sizes=(96, 48),
            view_dropout=0.2,
            condition_dropout=0.0,
            source_dropout=0.0,
            text_tokenizer=config_dict.placeholder(str),  # that of init
            max_tokens=48,
            num_workers=0,
        )
    )
    config.data.edits = ConfigDict(
        dict(
            weight=1.0,
            buckets=(0.7, 0.3),
            manifests=MANIFESTS,
            kinds={"extract": 1.0},
            roles={"sfx": 0.5, "speech": 0.3, "music": 0.1, "env": 0.1},
            negatives=0.3,
            whole_roles=0.25,  # for stems
            snr=(-6.0, 9.0),  # wider than pairs to be judged by, so that no level is strange
            timeline=0.0,
        )
    )
    config.optimizer = adamw(1e-3, warmup_steps=200, b2=0.99)
    if arg == "smoke":
        smoke(config)
        config.data.edits.buckets = (1.0,)
        config.model.update(width=16, depth=1, num_heads=2, hidden=16)
    return config
