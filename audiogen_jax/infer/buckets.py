"""Few array shapes for many lengths, so that `jax.jit` compiles a handful of programs."""


def bucket(length: int, smallest: int) -> int:
    """The smallest shape of the ladder `smallest` x (1, 1.5, 2, 3, 4, 6, 8, …) that holds `length`.

    At most a third of a shape above the first is padding; ten shapes span a factor of 24.

    Args:
      length: any count (latent frames, tokens, samples).
      smallest: the first shape, an even number.
    """
    size = smallest
    while size + size // 2 < length:
        size *= 2
    return size if size >= length else size + size // 2
