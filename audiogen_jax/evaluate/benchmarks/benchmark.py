"""What a benchmark is: prompts, a table, and how clips are brought to it. Data alone."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table: a metric by a network.

    Attributes:
      metric: of `metrics.METRICS`.
      backbone: the network whose embeddings, logits or transcripts it is of; "" where none is.
      categories: that have it; all if empty.
    """

    metric: str
    backbone: str = ""
    categories: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """A published table, and what makes a clip ready for it.

    Attributes:
      name: on the command line.
      source: of the table: title and number of the paper.
      columns: that were published, with the network of each.
      sample_rate: Hz that clips and references are brought to before anything hears them.
      seconds: of a clip that are scored, from its beginning; None: all of it.
      categories: whose clips are scored apart, in this order; () where all are together.
      own_categories: whichever categories the prompts have are scored apart.
    """

    name: str
    source: str
    columns: tuple[Column, ...]
    sample_rate: int
    seconds: float | None
    categories: tuple[str, ...] = ()
    own_categories: bool = False

    @property
    def apart(self) -> bool:
        """Whether each category has a row of its own."""
        return bool(self.categories) or self.own_categories

    def columns_of(self, category: str | None) -> tuple[Column, ...]:
        """Those that a category has."""
        return tuple(
            column
            for column in self.columns
            if not column.categories or category in column.categories
        )
