"""What the kernels of a compiled program compute, and what they move through HBM.

As in XLA's own cost analysis, a kernel reads its operands and writes its results once; of operands
that it cuts (the layers of a stack) it reads the slice, of results that it changes in place it
writes the change. Arrays that the compiler keeps on the chip are not counted.
"""

import itertools
import math
import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from audiogen_jax.plan.hlo_text import Computations, Instruction, rounds_of, shapes

Results: TypeAlias = dict[str, str]
"""Name of an instruction -> types of its result."""

_FREE = (
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id",
    "replica-id", "opt-barrier", "iota",
)  # fmt: skip
_SLICES = ("slice", "dynamic-slice", "gather")


class Kernel(NamedTuple):
    """One launch on a device, as often as it runs.

    Attributes:
      runs: how often.
      flops: of matrix products and convolutions, each run.
      bytes: to and from HBM, each run.
      beside: it runs beside others (a copy or a collective that was started before it is needed).
    """

    runs: int
    flops: float
    bytes: float
    beside: bool


def kernels(computations: Computations, name: str, times: int = 1) -> Iterator[Kernel]:
    """The kernels of a computation, those of its loops and branches included.

    Args:
      computations: of the module.
      name: of the one that runs.
      times: how often it does.
    """
    results = {instruction.name: instruction.result for instruction in computations[name]}
    for instruction in computations[name]:
        opcode = instruction.opcode
        if opcode in ("while", "conditional", "call"):
            rounds = rounds_of(instruction, computations) or 1 if opcode == "while" else 1
            for called in instruction.called:
                yield from kernels(computations, called, times * rounds)
        elif opcode not in _FREE and not opcode.endswith("-done"):
            yield Kernel(
                times,
                _operations_within(instruction, results, computations),
                _moved(instruction, results, computations),
                opcode.endswith("-start"),
            )


def _operations_within(
    instruction: Instruction, results: Results, computations: Computations
) -> float:
    """Operations of an instruction and of what is fused into it."""
    total = operations(instruction, results)
    if instruction.opcode == "fusion":
        for called in instruction.called:
            body = computations[called]
            inner = {each.name: each.result for each in body}
            total += sum(_operations_within(each, inner, computations) for each in body)
    return total


def _moved(instruction: Instruction, results: Results, computations: Computations) -> float:
    """Bytes that one run moves to and from HBM."""
    opcode, operands = instruction.opcode, instruction.operands
    written = _bytes(instruction.result)
    if opcode.endswith("-start"):
        return written  # a copy or collective under way: the tuple of its operand and result
    if opcode in _SLICES:
        return written + min(written or math.inf, _bytes(results[operands[0]]))
    if opcode == "dynamic-update-slice":
        return (2 if written else 1) * _bytes(results[operands[1]])
    if opcode != "fusion":
        return written + sum(_bytes(results[name]) for name in {*operands} if name in results)
    body = computations[instruction.called[0]]
    read = sum(
        _read(body, index, _bytes(results[operand]), computations)
        for index, operand in enumerate(operands)
    )
    return read + _written(body, instruction)


def _read(body: list[Instruction], index: int, whole: float, computations: Computations) -> float:
    """Bytes that a fusion reads of one operand: of what it only cuts, the slices."""
    if not whole:
        return 0.0
    names = {each.name for each in body if _is_parameter(each, index)}
    total = 0.0
    for each in body:  # in order: operands come first
        places = [i for i, operand in enumerate(each.operands) if operand in names]
        if not places or each.opcode == "parameter":
            continue
        if each.opcode == "bitcast":
            names.add(each.name)
        elif each.opcode in _SLICES and places == [0]:
            total += sum(shape.bytes for shape in shapes(each.result))
        elif each.opcode == "fusion":
            inner = computations[each.called[0]]
            total += sum(_read(inner, place, whole, computations) for place in places)
        elif not (each.opcode == "dynamic-update-slice" and places == [0]):
            return whole
    return min(whole, total)


def _written(body: list[Instruction], fusion: Instruction) -> float:
    """Bytes of HBM that a fusion writes: of what it changes in place, the change."""
    by_name = {each.name: each for each in body}
    root = body[-1]
    roots = [by_name[name] for name in root.operands] if root.opcode == "tuple" else [root]
    total = 0.0
    for each, shape in itertools.zip_longest(roots, shapes(fusion.result)):
        while each is not None and each.opcode == "bitcast":
            each = by_name[each.operands[0]]
        if shape is None or shape.on_chip:
            continue
        size = shape.bytes
        if each is not None and each.opcode == "dynamic-update-slice":
            size = sum(part.bytes for part in shapes(by_name[each.operands[1]].result))
        total += size
    return total


def _is_parameter(instruction: Instruction, index: int) -> bool:
    return instruction.opcode == "parameter" and instruction.rest.startswith(f"{index})")


def _bytes(result: str) -> float:
    """Bytes of a result that lie in HBM."""
    return float(sum(shape.bytes for shape in shapes(result) if not shape.on_chip))


def operations(instruction: Instruction, results: Results) -> float:
    """Multiplications and additions of a matrix product or convolution; 0 of anything else."""
    if instruction.opcode == "dot":
        left = _operand_shape(instruction, results, 0)
        axes = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", instruction.rest)
        contracted = [left[int(axis)] for axis in axes[1].split(",") if axis] if axes else []
        return 2.0 * math.prod(_result_shape(instruction)) * math.prod(contracted)
    if instruction.opcode == "convolution":
        return _convolution_flops(instruction, results)
    return 0.0


def _result_shape(instruction: Instruction) -> tuple[int, ...]:
    return next(shapes(instruction.result)).sizes


def _operand_shape(instruction: Instruction, results: Results, index: int) -> tuple[int, ...]:
    return next(shapes(results[instruction.operands[index]])).sizes


def _convolution_flops(instruction: Instruction, results: Results) -> float:
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
