import flax.errors
import flax.linen as nn
import jax
import numpy as np
import pytest


def test_parameters_of_other_shapes_are_refused_each_time():
    """Shapes that are known already are compared as well as new ones."""
    layer, wide = nn.Dense(3), nn.Dense(4)
    params = {module: module.init(jax.random.key(0), np.ones((1, 2))) for module in (layer, wide)}
    for _ in range(2):
        assert layer.apply(params[layer], np.ones((1, 2))).shape == (1, 3)
        with pytest.raises(flax.errors.ScopeParamShapeError):
            layer.apply(params[wide], np.ones((1, 2)))
