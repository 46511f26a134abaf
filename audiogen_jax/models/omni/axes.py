"""Names of the axes of Audio-Omni's parameters; see `sharding.placement`."""

from audiogen_jax.sharding.placement import AxisRules

OOBLECK: AxisRules = (
    (r".*/kernel", ("embed", None)),
    (r".*/(bias|alpha|beta)", (None,)),
)
"""Of the codec."""

NETWORK: AxisRules = (
    (r"dit/blocks/(cross_)?attention/(query|key|value)/kernel", ("embed", "heads")),
    (r"dit/blocks/(cross_)?attention/out/kernel", ("heads", "embed")),
    (r"dit/blocks/mlp/proj_in/kernel", ("embed", "mlp")),
    (r"dit/blocks/mlp/proj_out/kernel", ("mlp", "embed")),
    (r"dit/(time|context|prefix)_fc[12]/kernel", ("embed", None)),
    (r"dit/(mix_in|mix_out|project_in|project_out)/kernel", (None, "embed")),
    (r"dit/frequencies", (None,)),
    (r"transcript/embed/embedding", ("vocab", "embed")),
    (r"transcript/none", (None, None)),
    (r"transcript/layers_\d+/dwconv/kernel", (None, "embed")),
    (r"transcript/layers_\d+/pwconv1/kernel", ("embed", "mlp")),
    (r"transcript/layers_\d+/pwconv2/kernel", ("mlp", "embed")),
    (r"(transcript|sync|mel)/along_\w+/kernel", ("embed", None)),
    (r"(thinker_projection|sync)/project/kernel", ("embed", None)),
    (r"(.*/)?(bias|scale|gamma|beta)", (None,)),
)
"""Of everything that is trained."""
