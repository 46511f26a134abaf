"""The judge: a small convolutional classifier that has only ever heard real recordings."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from audiogen_jax.checkpoints.parameter_hash import params_sha256
from audiogen_jax.evaluate.embedders.embedder import Embeddings, Identity
from audiogen_jax.evaluate.judge.features import SAMPLE_RATE, mel_power, normalise, windows
from audiogen_jax.evaluate.judge.tasks import Task
from audiogen_jax.evaluate.waveforms import RESAMPLER, clips_at
from audiogen_jax.types import Params

EMBEDDING_DIM = 64
_CHUNK = 32


class JudgeNet(nn.Module):
    """Log-mel window -> embedding and the logits of all tasks side by side.

    Attributes:
      num_classes: classes of all tasks together.
    """

    num_classes: int

    @nn.compact
    def __call__(
        self, log_mel: Float[Array, "b t f"], deterministic: bool = True
    ) -> tuple[Float[Array, "b d"], Float[Array, "b c"]]:
        x = nn.Conv(24, (5, 5), (4, 4))(log_mel[..., None])
        for channels, strides in ((48, (1, 2)), (64, (2, 2)), (96, (2, 2))):
            x = nn.gelu(nn.GroupNorm(8)(x))
            x = nn.Conv(channels, (3, 3), strides)(x)
            x = x + nn.Conv(channels, (3, 3))(nn.gelu(nn.GroupNorm(8)(x)))
        x = nn.gelu(nn.GroupNorm(8)(x))
        # Bands keep their place; time is pooled by attention, as a word may fill a tenth of it.
        x = x.reshape(x.shape[0], x.shape[1], -1)
        attention = nn.softmax(nn.Dense(4)(x), axis=1)
        x = jnp.einsum("bth,btd->bhd", attention, x).reshape(x.shape[0], -1)
        x = nn.Dropout(0.2, deterministic=deterministic)(x)
        embedding = nn.Dense(EMBEDDING_DIM)(x)
        x = nn.Dropout(0.2, deterministic=deterministic)(nn.gelu(embedding))
        return embedding, nn.Dense(self.num_classes)(x)


@dataclasses.dataclass(frozen=True)
class Judge:
    """A trained classifier, and the `Embedder` of nano's suites.

    Attributes:
      tasks: the questions it answers.
      params: parameters of `JudgeNet`.
    """

    tasks: tuple[Task, ...]
    params: Params

    @cached_property
    def _apply(self) -> Callable[[Params, Float[np.ndarray, "b t f"]], tuple[Array, Array]]:
        net = JudgeNet(sum(len(task.classes) for task in self.tasks))
        return jax.jit(lambda params, power: net.apply({"params": params}, normalise(power)))

    @cached_property
    def _sha256(self) -> str:
        return params_sha256(self.params)

    @property
    def identity(self) -> Identity:
        """What it is as an embedder."""
        return Identity(
            name="judge",
            weights_sha256=self._sha256,
            sample_rate=SAMPLE_RATE,
            resampler=RESAMPLER,
            layer="embedding",
            pooling="mean of 2 s windows, those 30 dB under the loudest left out",
        )

    def listen(
        self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int
    ) -> tuple[Float[np.ndarray, "b d"], Float[np.ndarray, "b c"]]:
        """Embeds and classifies mono clips of any length and loudness.

        Args:
          clips: float [n] each.
          sample_rate: of the clips, Hz.

        Returns:
          Embeddings [b 64] and log-probabilities [b c], classes of all tasks side by side: each
          the weighted mean over the clip's 2-second windows.

        Raises:
          ValueError: there are no clips, or one is no mono clip of finite floats.
        """
        embeddings, scores, weights = self._windows(clips, sample_rate)
        rows = list(zip(embeddings, scores, weights, strict=True))
        return (
            np.stack([weight @ embedding for embedding, _, weight in rows]),
            np.stack([weight @ score for _, score, weight in rows]),
        )

    def _windows(
        self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int
    ) -> tuple[list[Float[np.ndarray, "w d"]], list[Float[np.ndarray, "w c"]], list[np.ndarray]]:
        """Embeddings, log-probabilities and weights of the windows of each clip."""
        heard = clips_at(SAMPLE_RATE, clips, sample_rate)
        cuts = [windows(mel_power(clip, SAMPLE_RATE)) for clip in heard]
        stacked = np.concatenate([power for power, _ in cuts])
        embeddings, logits = [], []
        for start in range(0, len(stacked), _CHUNK):
            chunk = stacked[start : start + _CHUNK]
            padded = np.pad(chunk, ((0, _CHUNK - len(chunk)), (0, 0), (0, 0)))
            embedding, logit = self._apply(self.params, padded)
            embeddings.append(np.asarray(embedding)[: len(chunk)])
            logits.append(np.asarray(logit)[: len(chunk)])
        logit = np.concatenate(logits)
        scores = np.concatenate(
            [np.asarray(jax.nn.log_softmax(logit[:, task])) for task in self._slices()], axis=-1
        )
        ends = np.cumsum([len(power) for power, _ in cuts])[:-1]
        of_clips = (np.split(rows, ends) for rows in (np.concatenate(embeddings), scores))
        return *of_clips, [weights for _, weights in cuts]  # pyright: ignore

    def embed(self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int) -> Embeddings:
        """Embeddings [b 64] of clips, see `listen`."""
        return Embeddings(self.listen(clips, sample_rate)[0], self.identity)

    def answers(
        self,
        task_name: str,
        clips: Sequence[Float[np.ndarray, " n"]],
        sample_rate: int,
        among: Sequence[str] | None = None,
        passing: bool = False,
    ) -> list[str]:
        """The most probable class of one task for every clip.

        Args:
          task_name: of a task that it was taught.
          clips: as `listen` takes them.
          sample_rate: of the clips, Hz.
          among: the classes that are possible, where others sound as well; all if None.
          passing: it may sound for a moment: the window that is surest of a class decides, not
            all together.

        Raises:
          ValueError: the judge was not taught this task.
        """
        names = [task.name for task in self.tasks]
        if task_name not in names:
            raise ValueError(f"task {task_name!r}: this judge was taught {names}")
        if not clips:
            return []
        index = names.index(task_name)
        if passing:
            _, scores, weights = self._windows(clips, sample_rate)
            heard = zip(scores, weights, strict=True)
            pooled = np.stack([score[weight > 0].max(axis=0) for score, weight in heard])
        else:
            pooled = self.listen(clips, sample_rate)[1]
        scores = pooled[:, self._slices()[index]]
        classes = self.tasks[index].classes
        possible = [number for number, name in enumerate(classes) if among is None or name in among]
        return [classes[possible[best]] for best in scores[:, possible].argmax(axis=1)]

    def _slices(self) -> list[slice]:
        ends = np.cumsum([0] + [len(task.classes) for task in self.tasks])
        return [slice(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]
