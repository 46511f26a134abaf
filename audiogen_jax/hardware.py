"""What accelerators can do, from their makers' data sheets: peaks, never sustained rates."""

from typing import NamedTuple


class Chip(NamedTuple):
    """Limits of one device.

    Attributes:
      flops: dense bfloat16 operations per second.
      memory: bytes of HBM.
      bandwidth: bytes per second of HBM.
      link: bytes per second that the device sends to its neighbours over fast links (ICI, NVLink).
      name: as its maker calls it.
    """

    flops: float
    memory: float
    bandwidth: float
    link: float
    name: str


CHIPS = {
    # https://cloud.google.com/tpu/docs/v5e, /v5p, /v6e; links: bidirectional bandwidth / 2.
    "v5e": Chip(197e12, 16 * 2**30, 819e9, 200e9, "TPU v5e"),
    "v5p": Chip(459e12, 95 * 2**30, 2765e9, 600e9, "TPU v5p"),
    "v6e": Chip(918e12, 32 * 2**30, 1640e9, 448e9, "TPU v6e"),
    # https://www.nvidia.com/en-us/data-center/h200, /h100, /a100
    "h200": Chip(989e12, 141e9, 4800e9, 450e9, "NVIDIA H200"),
    "h100": Chip(989e12, 80e9, 3350e9, 450e9, "NVIDIA H100"),
    "a100": Chip(312e12, 80e9, 2039e9, 300e9, "NVIDIA A100"),
}

_KINDS = {
    "TPU v5 lite": "v5e",
    "TPU v5e": "v5e",
    "TPU v5": "v5p",
    "TPU v5p": "v5p",
    "TPU v6 lite": "v6e",
    "TPU v6e": "v6e",
}


def chip_of(device_kind: str) -> Chip | None:
    """The chip that `jax.Device.device_kind` names, None if it is not in the table."""
    if device_kind in _KINDS:
        return CHIPS[_KINDS[device_kind]]
    for name in ("h200", "h100", "a100"):
        if name in device_kind.lower():
            return CHIPS[name]
    return None
