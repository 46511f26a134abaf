"""Names of the axes of a T5 encoder's parameters; see `sharding.placement`."""

from audiogen_jax.sharding.placement import AxisRules

AXES: AxisRules = (
    (r"blocks/attention/(query|key|value)/kernel", ("embed", "heads")),
    (r"blocks/attention/out/kernel", ("heads", "embed")),
    (r"blocks/(gate|value)/kernel", ("embed", "mlp")),
    (r"blocks/mlp_out/kernel", ("mlp", "embed")),
    (r"token_embed/embedding", ("vocab", "embed")),
    (r"relative_bias/embedding", (None, None)),
    (r".*_norm/scale", (None,)),
)
