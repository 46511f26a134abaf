"""What a compiled program does on one device, read from its text: kernels and collectives.

XLA's own cost analysis counts the body of a loop once and does not tell collectives apart; here
every instruction counts as often as it runs. Loops whose number of rounds XLA does not know are
counted once and named.
"""

import math
import re
from typing import Any, NamedTuple

from audiogen_jax.hardware import Chip
from audiogen_jax.plan.hlo_text import Instruction, count_runs, parse, shapes
from audiogen_jax.plan.kernels import Kernel, kernels

_GROUPS = re.compile(
    r"replica_groups=(?:\[\d+,(?P<size>\d+)\]<=|\{\{(?P<list>[\d,]*)\}"
    r"|mesh\[(?P<mesh>[^\]]*)\](, device_ids=\(\S*\))? \{(?P<axes>[^}]*)\})"
)
COLLECTIVES = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute")


class Collective(NamedTuple):
    """One kind of communication between devices.

    Attributes:
      kind: one of `COLLECTIVES`.
      count: how often it runs in one execution of the program.
      bytes: size of the results, all runs together.
      sent: bytes that one device sends in a ring.
    """

    kind: str
    count: int
    bytes: float
    sent: float


class ProgramCost(NamedTuple):
    """What one device does in one execution.

    Attributes:
      kernels: what runs, one after another but for what runs beside.
      collectives: the communication, by kind.
      uncounted_loops: names of loops without a known number of rounds.
    """

    kernels: tuple[Kernel, ...]
    collectives: tuple[Collective, ...]
    uncounted_loops: tuple[str, ...]

    @property
    def flops(self) -> float:
        """Multiplications and additions of matrix products and convolutions."""
        return sum(kernel.runs * kernel.flops for kernel in self.kernels)

    @property
    def bytes(self) -> float:
        """To and from HBM."""
        return sum(kernel.runs * kernel.bytes for kernel in self.kernels)

    def least_seconds(self, chip: Chip) -> float:
        """A roofline: each kernel at the peak of the units or of HBM, whichever takes longer."""
        alone = sum(
            kernel.runs * max(kernel.flops / chip.flops, kernel.bytes / chip.bandwidth)
            for kernel in self.kernels
            if not kernel.beside
        )
        return max(alone, self.bytes / chip.bandwidth)


def program_cost(text: str) -> ProgramCost:
    """Reads the text of an optimised HLO module (`compiled.as_text()`)."""
    computations, entry = parse(text)
    runs: dict[str, int] = {}
    loops: set[str] = set()
    count_runs(computations, entry, 1, runs, loops)
    totals: dict[str, list[float]] = {}
    seen: set[Any] = set()
    for name, times in runs.items():
        for instruction in computations[name]:
            kind = instruction.opcode.removesuffix("-start")
            if kind not in COLLECTIVES:
                continue
            channel = re.search(r"channel_id=(\d+)", instruction.rest)
            sizes = tuple(shape.sizes for shape in shapes(instruction.result))
            same = channel and (channel[1], sizes)
            # TPU programs repeat a collective in each part of the work that it runs beside.
            if same not in seen:
                seen |= {same} if same else set()
                # and write a reduce-scatter as a sum of which each device keeps its slice.
                if name.startswith("all-reduce-scatter"):
                    kind = "reduce-scatter"
                size, sent = _traffic(kind, instruction)
                row = totals.setdefault(kind, [0, 0.0, 0.0])
                for i, value in enumerate((1, size, sent)):
                    row[i] += times * value
    rows = (Collective(kind, int(row[0]), row[1], row[2]) for kind, row in sorted(totals.items()))
    return ProgramCost(tuple(kernels(computations, entry)), tuple(rows), tuple(sorted(loops)))


def _traffic(kind: str, instruction: Instruction) -> tuple[float, float]:
    """(bytes of the result, bytes that a device sends in a ring)."""
    sizes = [shape.bytes for shape in shapes(instruction.result) if shape.sizes]
    if instruction.opcode.endswith("-start") and kind != "all-reduce":
        # A started collective gives its operand and its result.
        sizes = [min(sizes) if kind == "reduce-scatter" else max(sizes)]
    size = float(sum(sizes))
    group = _group_size(instruction.rest)
    if kind == "reduce-scatter" and instruction.opcode.startswith("all-reduce"):
        size /= group
    share = (group - 1) / group
    sent = {
        "all-gather": size * share,
        "all-reduce": 2 * size * share,
        "reduce-scatter": size * (group - 1),
        "all-to-all": size * share,
        "collective-permute": size,
    }
    return size, sent[kind]


def _group_size(text: str) -> int:
    """How many devices take part in one collective."""
    match = _GROUPS.search(text)
    if match is None:
        if "source_target_pairs" in text:
            return 2
        raise ValueError(f"a collective without known groups: {text[:200]}")
    if match["size"]:
        return int(match["size"])
    if match["list"] is not None:
        return len(match["list"].split(","))
    sizes = dict(re.findall(r"'(\w+)'=(\d+)", match["mesh"]))
    return math.prod(int(sizes[axis]) for axis in re.findall(r"'(\w+)'", match["axes"]))
