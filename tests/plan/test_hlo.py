"""What is read from the text of compiled programs, against programs whose cost is known."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from audiogen_jax.hardware import Chip
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


def test_bytes_are_those_of_xla():
    """Where nothing loops, its own analysis counts right."""

    def block(x, w, table):
        x = jax.nn.softmax(jnp.tanh(x @ w) + 1, axis=-1)
        return jnp.where(x > 0, x, 0) @ w.T, table.at[3].set(x[0])

    x, w, table = jnp.ones((ROWS, WIDTH)), jnp.ones((WIDTH, WIDTH)), jnp.ones((4096, WIDTH))
    compiled = jax.jit(block, donate_argnums=2).lower(x, w, table).compile()
    found = program_cost(compiled.as_text()).bytes
    assert found == pytest.approx(compiled.cost_analysis()["bytes accessed"], rel=0.2)
    assert found < 4 * table.size  # of what changes in place, the change


def test_layers_of_a_stack_are_read_once_each():
    stack, x = jnp.ones((50, WIDTH, WIDTH)), jnp.ones((ROWS, WIDTH))
    step = jax.jit(lambda x, w: jax.lax.scan(lambda c, w: (jnp.tanh(c @ w), None), x, w)[0])
    cost = program_cost(step.lower(x, stack).compile().as_text())
    layers, activations = 4 * stack.size, 4 * 50 * x.size
    assert layers + 2 * activations <= cost.bytes < 3.5 * (layers + 2 * activations)


MEMORY = """HloModule jit_step

%fused (p.0: f32[100,1024], p.1: s32[]) -> (f32[1024], f32[100,1024]) {
  %p.0 = f32[100,1024]{1,0:T(8,128)} parameter(0)
  %p.1 = s32[]{:T(128)} parameter(1)
  %view = f32[100,1,1024]{2,1,0:T(8,128)} bitcast(%p.0)
  %row = f32[1,1,1024]{2,1,0:T(8,128)} dynamic-slice(%view, %p.1, %p.1, %p.1), dynamic_slice_sizes={1,1,1024}
  %flat = f32[1024]{0:T(1024)} bitcast(%row)
  %new = f32[1,1024]{1,0:T(8,128)} bitcast(%row)
  %changed = f32[100,1024]{1,0:T(8,128)} dynamic-update-slice(%p.0, %new, %p.1, %p.1)
  ROOT %both = (f32[1024]{0:T(1024)}, f32[100,1024]{1,0:T(8,128)}) tuple(%flat, %changed)
}

ENTRY %main (stack: f32[100,1024], at: s32[]) -> f32[1024] {
  %stack = f32[100,1024]{1,0:T(8,128)} parameter(0)
  %at = s32[]{:T(128)S(6)} parameter(1)
  %started = (f32[100,1024]{1,0:T(8,128)S(1)}, f32[100,1024]{1,0:T(8,128)}, u32[]{:S(2)}) copy-start(%stack)
  %near = f32[100,1024]{1,0:T(8,128)S(1)} copy-done(%started)
  %pair = (f32[1024]{0:T(1024)}, f32[100,1024]{1,0:T(8,128)}) fusion(%stack, %at), kind=kLoop, calls=%fused
  %row.1 = f32[1024]{0:T(1024)} get-tuple-element(%pair), index=0
  %near.1 = f32[100,1024]{1,0:T(8,128)S(1)} negate(%near)
  ROOT %sum = f32[1024]{0:T(1024)} add(%row.1, %row.1)
}
"""  # noqa: E501


def test_what_stays_on_the_chip_is_not_moved():
    cost, row = program_cost(MEMORY), 4 * 1024
    assert [(each.bytes, each.beside) for each in cost.kernels] == [
        (100 * row, True),  # from HBM to the chip, while others run
        (3 * row, False),  # one row read and written, and the same row of the stack
        (0, False),
        (2 * row, False),
    ]
    chip = Chip(flops=1.0, memory=0, bandwidth=row, link=1.0, name="")
    assert cost.least_seconds(chip) == 105
    assert cost._replace(kernels=cost.kernels[1:]).least_seconds(chip) == 5


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
