"""What is read from the text of compiled programs, against programs whose cost is known."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from audiogen_jax.plan.hlo import program_cost
from audiogen_jax.sharding.mesh import MeshConfig, make_mesh
from audiogen_jax.train.flops import matmul_flops

WIDTH, ROUNDS, ROWS = 64, 7, 32


def loop(x, w):
    return jax.lax.scan(lambda c, _: (jnp.tanh(c @ w), None), x, length=ROUNDS)[0].sum()


def test_loops_count_as_often_as_they_run():
    step = jax.jit(jax.value_and_grad(loop, argnums=1))
    x, w = jnp.ones((ROWS, WIDTH)), jnp.ones((WIDTH, WIDTH))
    cost = program_cost(step.lower(x, w).compile().as_text())
    assert cost.flops == matmul_flops(step, x, w) == 3 * ROUNDS * 2 * ROWS * WIDTH**2
    assert cost.collectives == () and cost.uncounted_loops == ()


def test_collectives_of_fsdp():
    """Rows and weights cut in eight: weights are gathered in each round, gradients added up."""
    mesh = make_mesh(MeshConfig(data=1, fsdp=8))
    x = jax.ShapeDtypeStruct((ROWS, WIDTH), jnp.float32, sharding=NamedSharding(mesh, P("fsdp")))
    w = jax.ShapeDtypeStruct((WIDTH, WIDTH), jnp.float32, sharding=NamedSharding(mesh, P("fsdp")))
    step = jax.jit(jax.grad(loop, argnums=1), out_shardings=NamedSharding(mesh, P("fsdp")))
    cost = program_cost(step.lower(x, w).compile().as_text())
    assert cost.flops == pytest.approx(3 * ROUNDS * 2 * ROWS * WIDTH**2 / 8)
    found = {row.kind: row for row in cost.collectives}
    gathered = found["all-gather"]
    assert gathered.bytes >= 4 * WIDTH**2
    assert gathered.sent == pytest.approx(gathered.bytes * 7 / 8)
    added = found.get("all-reduce") or found["reduce-scatter"]
    assert added.count >= 1 and added.sent > 0


TPU = """HloModule jit_step

%condition (arg.1: (s32[], bf16[8,16])) -> pred[] {
  %bound = s32[]{:T(128)} constant(10)
  %arg.1 = (s32[]{:T(128)}, bf16[8,16]{1,0:T(8,128)}) parameter(0)
  %counter = s32[]{:T(128)} get-tuple-element(%arg.1), index=0
  ROOT %less = pred[]{:T(512)} compare(%counter, %bound), direction=LT
}

%part.1 (p.1: bf16[2,16]) -> bf16[16,16] {
  %p.1 = bf16[2,16]{1,0:T(8,128)} parameter(0)
  ROOT %gather.1 = bf16[16,16]{1,0:T(8,128)} all-gather(%p.1), channel_id=3, replica_groups=mesh['axis_0'=8,'axis_1'=2], device_ids=([2,8]T(1,0)) {'axis_0'}, dimensions={0}
}

%part.2 (p.2: bf16[2,16]) -> bf16[16,16] {
  %p.2 = bf16[2,16]{1,0:T(8,128)} parameter(0)
  ROOT %gather.2 = bf16[16,16]{1,0:T(8,128)} all-gather(%p.2), channel_id=3, replica_groups=mesh['axis_0'=8,'axis_1'=2], device_ids=([2,8]T(1,0)) {'axis_0'}, dimensions={0}
}

%all-reduce-scatter.3 (p.3: bf16[16,16]) -> bf16[2,16] {
  %p.3 = bf16[16,16]{1,0:T(8,128)} parameter(0)
  %sum.3 = bf16[16,16]{1,0:T(8,128)} all-reduce(%p.3), channel_id=1, replica_groups=mesh['axis_0'=8,'axis_1'=2] {'axis_0'}, to_apply=%add
  %at.3 = u32[] partition-id()
  ROOT %kept.3 = bf16[2,16]{1,0:T(8,128)} dynamic-slice(%sum.3, %at.3, %at.3), dynamic_slice_sizes={2,16}
}

%all-reduce-scatter.4 (p.4: bf16[32,16]) -> bf16[4,16] {
  %p.4 = bf16[32,16]{1,0:T(8,128)} parameter(0)
  %sum.4 = bf16[32,16]{1,0:T(8,128)} all-reduce(%p.4), channel_id=1, replica_groups={{0,1,2,3,4,5,6,7}}, to_apply=%add
  %at.4 = u32[] partition-id()
  ROOT %kept.4 = bf16[4,16]{1,0:T(8,128)} dynamic-slice(%sum.4, %at.4, %at.4), dynamic_slice_sizes={4,16}
}

%body (arg.2: (s32[], bf16[8,16])) -> (s32[], bf16[8,16]) {
  %arg.2 = (s32[]{:T(128)}, bf16[8,16]{1,0:T(8,128)}) parameter(0)
  %x = bf16[8,16]{1,0:T(8,128)} get-tuple-element(%arg.2), index=1
  %counter.2 = s32[]{:T(128)} get-tuple-element(%arg.2), index=0
  %two = s32[]{:T(128)} constant(2)
  %counted = s32[]{:T(128)} add(%counter.2, %two)
  %w = bf16[2,16]{1,0:T(8,128)} slice(%x), slice={[0:2], [0:16]}
  %start = bf16[16,16]{1,0:T(8,128)} fusion(%w), kind=kCustom, calls=%part.1
  %done = bf16[16,16]{1,0:T(8,128)} fusion(%w), kind=kCustom, calls=%part.2
  %product = bf16[8,16]{1,0:T(8,128)} convolution(%x, %done), dim_labels=bf_io->bf
  ROOT %next = (s32[]{:T(128)}, bf16[8,16]{1,0:T(8,128)}) tuple(%counted, %product)
}

ENTRY %main (start: (s32[], bf16[8,16])) -> (s32[], bf16[8,16]) {
  %start = (s32[]{:T(128)}, bf16[8,16]{1,0:T(8,128)}) parameter(0)
  %wide = bf16[16,16]{1,0:T(8,128)} parameter(1)
  %wider = bf16[32,16]{1,0:T(8,128)} parameter(2)
  %part.3 = bf16[2,16]{1,0:T(8,128)} fusion(%wide), kind=kCustom, calls=%all-reduce-scatter.3
  %part.4 = bf16[4,16]{1,0:T(8,128)} fusion(%wider), kind=kCustom, calls=%all-reduce-scatter.4
  ROOT %loop = (s32[]{:T(128)}, bf16[8,16]{1,0:T(8,128)}) while(%start), condition=%condition, body=%body
}
"""  # noqa: E501


def test_text_of_a_tpu_program():
    """Products are convolutions, the counter takes steps of two, a collective stands twice, and a
    reduce-scatter is the slice of a sum."""
    cost = program_cost(TPU)
    assert cost.flops == 5 * 2 * 8 * 16 * 16
    gather, scatter = cost.collectives
    assert (gather.kind, gather.count, gather.bytes) == ("all-gather", 5, 5 * 2 * 16 * 16)
    assert gather.sent == gather.bytes * 7 / 8
    assert (scatter.kind, scatter.count, scatter.bytes) == ("reduce-scatter", 2, 2 * 6 * 16)
    assert scatter.sent == 7 * scatter.bytes


def test_no_program():
    with pytest.raises(ValueError, match="no ENTRY computation"):
        program_cost("HloModule empty\n")
