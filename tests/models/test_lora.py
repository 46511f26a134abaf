"""Adapters change nothing at first, then what their product says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from audiogen_jax.models.lora import init_adapters, merge

PARAMS = {
    "dit": {
        "in_blocks": {
            "attention": {"query": {"kernel": jnp.ones((3, 4, 6)), "bias": jnp.ones((3, 6))}},
            "mlp": {"proj_out": {"kernel": jnp.ones((3, 8, 4))}},
            "modulation": {"kernel": jnp.ones((3, 4, 24))},
        }
    }
}
QUERY = "dit/in_blocks/attention/query/kernel"


def test_new_adapters_change_nothing():
    adapters = init_adapters(jax.random.key(0), PARAMS, rank=2)
    assert set(adapters) == {QUERY, "dit/in_blocks/mlp/proj_out/kernel"}
    assert adapters[QUERY]["lora_a"].shape == (3, 4, 2)
    assert adapters[QUERY]["lora_b"].shape == (3, 2, 6)
    jax.tree.map(np.testing.assert_array_equal, merge(PARAMS, adapters, 4.0), PARAMS)


def test_merge():
    adapters = init_adapters(jax.random.key(0), PARAMS, rank=2)
    adapters[QUERY]["lora_b"] = jax.random.normal(jax.random.key(1), (3, 2, 6))
    merged = merge(PARAMS, adapters, 0.5)["dit"]["in_blocks"]
    expected = 1 + 0.5 * np.einsum("lir,lro->lio", *adapters[QUERY].values())
    np.testing.assert_allclose(merged["attention"]["query"]["kernel"], expected, rtol=1e-5)
    np.testing.assert_array_equal(merged["modulation"]["kernel"], 1)


@pytest.mark.parametrize("factors", [np.float32, np.float16, jnp.bfloat16])
@pytest.mark.parametrize("weights", [np.float32, jnp.bfloat16])
def test_merge_on_the_host_is_that_on_a_device(factors, weights):
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(3, 64, 48)).astype(weights)
    shapes = {"lora_a": (3, 64, 8), "lora_b": (3, 8, 48)}
    adapters = {QUERY: {k: rng.normal(size=shape).astype(factors) for k, shape in shapes.items()}}
    params = {"dit": {"in_blocks": {"attention": {"query": {"kernel": weight}}}}}
    (host,), (device,) = (
        jax.tree.leaves(merge(tree, found, 0.1))
        for tree, found in ((params, adapters), jax.tree.map(jnp.asarray, (params, adapters)))
    )
    assert isinstance(host, np.ndarray) and host.dtype == device.dtype == weights
    tolerance = 1e-5 if weights == np.float32 else 1e-2  # a rounding to bfloat16
    np.testing.assert_allclose(
        host.astype(np.float32), np.asarray(device, np.float32), rtol=tolerance, atol=1e-5
    )


def test_errors():
    with pytest.raises(ValueError, match="lora.rank=0"):
        init_adapters(jax.random.key(0), PARAMS, 0)
    with pytest.raises(ValueError, match="no attention or feed-forward matrix"):
        init_adapters(jax.random.key(0), {"a": {"bias": jnp.ones(2)}}, 1)
    with pytest.raises(ValueError, match="adapters of matrices that are not there: .*other"):
        merge(PARAMS, {"other": {}}, 1.0)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 4, 2), (3, 2, 7)),
        ((3, 4, 2), (3, 3, 6)),
        ((3, 4, 2), (2, 6)),
        ((4,), (6,)),
        ((2, 4, 2), (3, 2, 6)),
        ((3, 1 << 20, 1), (3, 1, 1 << 20)),  # a product of terabytes
    ],
)
def test_adapters_of_other_matrices(a, b):
    adapters = {QUERY: {"lora_a": jnp.zeros(a), "lora_b": jnp.zeros(b)}}
    with pytest.raises(ValueError, match="adapters of .*query/kernel.* are .* its weights are"):
        merge(PARAMS, adapters, 1.0)
