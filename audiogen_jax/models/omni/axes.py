"""Names of the axes of Audio-Omni's parameters; see `sharding.placement`."""

from audiogen_jax.sharding.placement import AxisRules

OOBLECK: AxisRules = (
    (r".*/kernel", ("embed", None)),
    (r".*/(bias|alpha|beta)", (None,)),
)
