"""A model on disk, checked when it is opened; its parts are read when asked for."""

from collections.abc import Collection

from audiogen_jax.checkpoints.layout import Layout
from audiogen_jax.checkpoints.mapping import (
    Put,
    TensorFile,
    check_tensors,
    import_params,
    on_host,
    split_layers,
    stack_layers,
)
from audiogen_jax.types import Params


class ParameterFile:
    """The tensors of a file as parameters of a model."""

    def __init__(self, file: TensorFile, layout: Layout, template: Params):
        """Checks the names and shapes of all tensors.

        Args:
          file: the tensors.
          layout: where the release keeps each parameter.
          template: shapes of the parameters.

        Raises:
          ValueError: the tensors are not those of the configuration; all differences are named.
        """
        self._file, self._layout, self._template = file, file.layout(layout), template
        check_tensors(file, self._layout, template)

    def read(
        self, names: Collection[str] | None = None, put: Put = on_host, stacked: bool = True
    ) -> Params:
        """Reads parameters.

        Args:
          names: their top-level names, such as `DashengCodec.encoder`; all if None.
          put: see `stack_layers`.
          stacked: False: see `split_layers`.
        """
        layout = self._layout if names is None else self._layout.only(names)
        leaves = import_params(self._file, layout, self._template)
        return stack_layers(leaves, self._template, put) if stacked else split_layers(leaves, put)
