"""What a compiled program does on one device, read from its text: products and collectives.

XLA's own cost analysis counts the body of a loop once and does not tell collectives apart; here
every instruction counts as often as it runs. Loops whose number of rounds XLA does not know are
counted once and named.
"""

import itertools
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_BYTES = {
    "pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "bf16": 2, "f16": 2, "s32": 4, "u32": 4,
    "f32": 4, "s64": 8, "u64": 8, "f64": 8, "c64": 8, "c128": 16,
}  # fmt: skip
_SHAPE = re.compile(r"(\w+)\[([\d,]*)\]")
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*?) ([\w\-]+)\((.*)$")
_CALLED = re.compile(
    r"(?:calls|to_apply|body|condition|branch_computations)=\{?((?:%[\w.\-]+(?:, )?)+)"
)
_ROUNDS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
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
      flops: multiplications and additions of matrix products and convolutions.
      collectives: the communication, by kind.
      uncounted_loops: names of loops without a known number of rounds.
    """

    flops: float
    collectives: tuple[Collective, ...]
    uncounted_loops: tuple[str, ...]


class _Instruction(NamedTuple):
    name: str
    result: str
    opcode: str
    rest: str


def program_cost(text: str) -> ProgramCost:
    """Reads the text of an optimised HLO module (`compiled.as_text()`)."""
    computations, entry = _parse(text)
    runs: dict[str, int] = {}
    loops: set[str] = set()
    _count_runs(computations, entry, 1, runs, loops)
    flops = 0.0
    totals: dict[str, list[float]] = {}
    seen: set[Any] = set()
    for name, times in runs.items():
        results = {instruction.name: instruction.result for instruction in computations[name]}
        for instruction in computations[name]:
            flops += times * _flops(instruction, results)
            kind = instruction.opcode.removesuffix("-start")
            if kind not in COLLECTIVES:
                continue
            channel = re.search(r"channel_id=(\d+)", instruction.rest)
            same = channel and (channel[1], tuple(_shapes(instruction.result)))
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
    return ProgramCost(flops, tuple(rows), tuple(sorted(loops)))


def _parse(text: str) -> tuple[dict[str, list[_Instruction]], str]:
    computations: dict[str, list[_Instruction]] = {}
    entry, current = "", None
    for line in text.splitlines():
        if match := _COMPUTATION.match(line):
            current = computations.setdefault(match[2], [])
            entry = match[2] if match[1] else entry
        elif current is not None and (match := _INSTRUCTION.match(line)):
            current.append(_Instruction(*match.groups()))
    if not entry:
        raise ValueError("no ENTRY computation: expected the text of an optimised HLO module")
    return computations, entry


def _count_runs(
    computations: dict[str, list[_Instruction]],
    name: str,
    times: int,
    runs: dict[str, int],
    loops: set[str],
) -> None:
    """Adds how often a computation and what it calls run."""
    runs[name] = runs.get(name, 0) + times
    for instruction in computations[name]:
        rounds = times
        if instruction.opcode == "while":
            known = _rounds(instruction, computations)
            rounds = times * (known or 1)
            if known is None:
                loops.add(instruction.name)
        for called in itertools.chain.from_iterable(
            re.findall(r"%([\w.\-]+)", match[1]) for match in _CALLED.finditer(instruction.rest)
        ):
            if called in computations and instruction.opcode not in (
                "reduce",
                "all-reduce",
                "sort",
            ):
                _count_runs(computations, called, rounds, runs, loops)


def _rounds(loop: _Instruction, computations: dict[str, list[_Instruction]]) -> int | None:
    """How often a loop runs: as XLA notes, or from the bound and the step of its counter."""
    if known := _ROUNDS.search(loop.rest):
        return int(known[1])
    called = dict(re.findall(r"(condition|body)=%([\w.\-]+)", loop.rest))
    condition = computations.get(called.get("condition", ""), [])
    bounds = _constants(condition)
    counters = [
        re.search(r"index=(\d+)", instruction.rest)
        for instruction in condition
        if instruction.opcode == "get-tuple-element"
        and instruction.result.startswith(("s32[]", "u32[]"))
    ]
    if len(bounds) != 1 or len(counters) != 1 or counters[0] is None:
        return None
    step = _increment(computations.get(called.get("body", ""), []), int(counters[0][1]))
    return next(iter(bounds.values())) // step


def _constants(body: list[_Instruction]) -> dict[str, int]:
    """The whole numbers that a computation names."""
    return {
        instruction.name: int(instruction.rest.split(")")[0])
        for instruction in body
        if instruction.opcode == "constant" and instruction.result.startswith(("s32[]", "u32[]"))
    }


def _increment(body: list[_Instruction], counter: int) -> int:
    """What a round adds to the counter: 1 but in loops that XLA unrolled in part."""
    instructions, constants = (
        {instruction.name: instruction for instruction in body},
        _constants(body),
    )
    results = re.findall(r"%([\w.\-]+)", body[-1].rest.split(")")[0]) if body else []
    last = instructions.get(results[counter]) if counter < len(results) else None
    if last is None or last.opcode != "add":
        return 1
    operands = re.findall(r"%([\w.\-]+)", last.rest.split(")")[0])
    return next((constants[name] for name in operands if name in constants), 1)


def _shapes(text: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    for kind, sizes in _SHAPE.findall(text):
        if kind in _BYTES:
            yield kind, tuple(int(size) for size in sizes.split(",") if size)


def _traffic(kind: str, instruction: _Instruction) -> tuple[float, float]:
    """(bytes of the result, bytes that a device sends in a ring)."""
    sizes = [
        _BYTES[name] * math.prod(shape) for name, shape in _shapes(instruction.result) if shape
    ]
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


def _flops(instruction: _Instruction, results: dict[str, str]) -> float:
    if instruction.opcode == "dot":
        left = _operand_shape(instruction, results, 0)
        axes = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", instruction.rest)
        contracted = [left[int(axis)] for axis in axes[1].split(",") if axis] if axes else []
        return 2.0 * math.prod(_result_shape(instruction)) * math.prod(contracted)
    if instruction.opcode == "convolution":
        return _convolution_flops(instruction, results)
    return 0.0


def _result_shape(instruction: _Instruction) -> tuple[int, ...]:
    return next(_shapes(instruction.result))[1]


def _operand_shape(
    instruction: _Instruction, results: dict[str, str], index: int
) -> tuple[int, ...]:
    names = re.findall(r"%([\w.\-]+)", instruction.rest.split("), ")[0])
    return next(_shapes(results[names[index]]))[1]


def _convolution_flops(instruction: _Instruction, results: dict[str, str]) -> float:
    """Products of a convolution, those with padding and holes left out.

    TPU programs write every matrix product as a convolution, its batch axes as windows.
    """
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", instruction.rest)
    assert labels, instruction
    left, kernel = (_operand_shape(instruction, results, i) for i in (0, 1))
    out = _result_shape(instruction)
    named = [
        dict(zip(names, shape, strict=True))
        for names, shape in zip(labels.groups(), (left, kernel, out), strict=True)
    ]
    window = dict(
        re.findall(
            r"(\w+)=([\dx_\-]+)", (re.search(r"window=\{([^}]*)\}", instruction.rest) or [""])[0]
        )
    )
    flops = 2.0 * named[2]["b"] * named[2]["f"] * named[1]["i"]
    for axis in sorted(name for name in named[2] if name.isdigit()):
        flops *= _valid_positions(named[0][axis], named[1][axis], named[2][axis], window, int(axis))
    return flops


def _valid_positions(size: int, kernel: int, out: int, window: dict[str, str], axis: int) -> int:
    """How many (output, tap) pairs of one axis read a real input value."""

    def option(name: str, default: str) -> str:
        return window[name].split("x")[axis] if name in window else default

    stride, low = int(option("stride", "1")), int(option("pad", "0_0").split("_")[0])
    spread, holes = int(option("rhs_dilate", "1")), int(option("lhs_dilate", "1"))
    count = 0
    for position, tap in itertools.product(range(out), range(kernel)):
        index = position * stride + tap * spread - low
        count += 0 <= index < (size - 1) * holes + 1 and index % holes == 0
    return count
