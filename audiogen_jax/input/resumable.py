"""Batches whose position is a number, whoever reads ahead."""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

import grain
from absl import flags

Item = TypeVar("Item")


class ResumableBatches(Generic[Item]):
    """Iterates over an endless dataset; its state is the number of batches that it gave.

    So a training that is resumed may read with another number of processes or threads, or with
    none. Reading starts with the first batch.
    """

    def __init__(self, dataset: grain.MapDataset[Item], num_workers: int, num_threads: int):
        """Nothing is read yet.

        Args:
          dataset: a batch for every position.
          num_workers: processes that read ahead; 0: none.
          num_threads: reading threads per process.
        """
        self._dataset, self._num_workers, self._num_threads = dataset, num_workers, num_threads
        self._begin(0)

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._reader is None:
            self._reader = self._read(self._position)
        batch = next(self._reader)
        self._position += 1
        return batch

    def get_state(self) -> dict[str, int]:
        """The position, as JSON."""
        return {"next_index": self._position}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Goes to a position; also to one that grain's own iterators of any kind wrote."""
        self._begin(_position(state))

    def _begin(self, position: int) -> None:
        self._position = position
        self._reader: grain.DatasetIterator[Item] | None = None

    def _read(self, position: int) -> grain.DatasetIterator[Item]:
        rest = self._dataset.slice(slice(position, None))
        # Buffered elements are whole batches: a few are enough, grain's default is 500.
        options = grain.ReadOptions(
            num_threads=self._num_threads, prefetch_buffer_size=2 * self._num_threads
        )
        dataset = rest.to_iter_dataset(options)
        if self._num_workers:
            # Grain reads absl flags when it starts workers, which are parsed in absl's own programs
            # alone. Whoever else starts workers would have to do this, so it stands here.
            if not flags.FLAGS.is_parsed():
                flags.FLAGS.mark_as_parsed()
            workers = grain.MultiprocessingOptions(self._num_workers, per_worker_buffer_size=2)
            dataset = dataset.mp_prefetch(workers)
        return iter(dataset)


def _position(state: Mapping[str, Any]) -> int:
    """The number of batches given; grain's workers count those of their own shares."""
    if "next_index" in state:
        return int(state["next_index"])
    shares = state["iterators_in_use_states"]
    return sum(int(share["next_index"]) for share in shares if share is not None)
