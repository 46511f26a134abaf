"""The state that a training begins with."""

import jax
from jax.sharding import NamedSharding
from jaxtyping import PyTree

from audiogen_jax.sharding.transfer import put_tree
from audiogen_jax.train.objective import BatchT, Objective
from audiogen_jax.train.state import TrainState


def start_state(
    objective: Objective[BatchT],
    key: jax.Array,
    abstract: TrainState,
    shardings: PyTree[NamedSharding],
) -> TrainState:
    """A new state, prepared, on its devices.

    What `Objective.prepare` replaces is never drawn: most of the program that draws parameters is
    not compiled where they are loaded.

    Args:
      objective: of the training.
      key: of the parameters that are drawn.
      abstract: shapes of the state.
      shardings: places of the state.
    """
    leaves, structure = jax.tree.flatten(objective.prepare(abstract))
    places = structure.flatten_up_to(shardings)
    drawn = [i for i, leaf in enumerate(leaves) if isinstance(leaf, jax.ShapeDtypeStruct)]

    def draw(key: jax.Array) -> list[jax.Array]:
        # Traced when the shapes were asked for.
        state = jax.tree.leaves(jax.jit(objective.init_state, inline=True)(key))
        return [state[i] for i in drawn]

    arrays = jax.jit(draw, out_shardings=[places[i] for i in drawn])(key)
    for i, array in zip(drawn, arrays, strict=True):
        leaves[i] = array
    return put_tree(jax.tree.unflatten(structure, leaves), shardings)
