"""Names of the axes of the thinker's parameters; see `sharding.placement`."""

from audiogen_jax.sharding.placement import AxisRules

AXES: AxisRules = (
    (r"text/(embed|head)/embedding", ("vocab", "embed")),
    (r"(text/layers|audio/blocks/attention|vision/blocks)/(query|key|value)/kernel",
     ("embed", "heads")),
    (r"(text/layers|audio/blocks/attention|vision/blocks)/out/kernel", ("heads", "embed")),
    (r"(text/layers|vision/blocks)/(gate|up)/kernel", ("embed", "mlp")),
    (r"(text/layers|vision/blocks)/down/kernel", ("mlp", "embed")),
    (r"audio/blocks/mlp/fc1/kernel", ("embed", "mlp")),
    (r"audio/blocks/mlp/fc2/kernel", ("mlp", "embed")),
    (r"audio/conv[12]/kernel", (None, "embed")),
    (r"audio/(out/kernel|boundaries)", (None, "embed")),
    (r"vision/patch_embed/kernel", (None, "embed")),
    (r"vision/merge_fc1/kernel", ("embed", "mlp")),
    (r"vision/merge_fc2/kernel", ("mlp", "embed")),
    (r"(text|audio|vision)/(.*/)?(bias|scale)", (None,)),
)  # fmt: skip
"""Of the tree {"text", "audio", "vision"}; layers of the text stacked or apart."""
