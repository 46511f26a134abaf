"""Devices to compile for that need not be there."""

import math

import jax

from audiogen_jax.hardware import CHIPS, Chip
from audiogen_jax.types import Device


def find_devices(topology: str) -> tuple[Chip, list[Device], str]:
    """The chip, the devices to compile for, and what they are.

    TPUs are compiled for by libtpu, which works on any machine; virtual CPU devices are partitioned
    in the place of GPUs.

    Args:
      topology: "v5e:16x16" (a TPU generation and its shape), "h200:8" (a GPU and how many).

    Raises:
      ValueError: the topology is malformed, the chip unknown, or libtpu is not installed.
    """
    kind, separator, shape = topology.partition(":")
    if kind not in CHIPS or not separator:
        raise ValueError(f"topology={topology!r}: expected {sorted(CHIPS)} with :16x16 or :8")
    try:
        count = math.prod(int(size) for size in shape.split("x"))
    except ValueError:
        raise ValueError(f"topology={topology!r}: {shape!r} is no shape like 16x16 or 8") from None
    if not kind.startswith("v"):
        devices = jax.devices()
        if len(devices) < count:
            raise ValueError(f"topology={topology!r}: only {len(devices)} devices to partition for")
        return CHIPS[kind], devices[:count], f"{count} {devices[0].platform} devices"
    from jax.experimental import topologies

    try:
        described = topologies.get_topology_desc(platform="tpu", topology_name=topology)
    except Exception as error:  # of libtpu, any kind
        raise ValueError(
            f"topology={topology!r}: {str(error).splitlines()[0]}. TPU programs are compiled by "
            "libtpu: pip install 'audiogen-jax[tpu]'"
        ) from error
    return CHIPS[kind], list(described.devices), described.devices[0].device_kind
