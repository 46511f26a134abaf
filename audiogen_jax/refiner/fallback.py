"""A language model where it answers, the embedded refiner where it does not."""

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.chat import RefusedError, TransientError
from audiogen_jax.refiner.clause_refiner import clause_refiner
from audiogen_jax.refiner.language_model import LanguageModelRefiner
from audiogen_jax.refiner.shots import Shot, merged


class LanguageModelOrEmbedded:
    """A `Refiner`; an endpoint that is not there is not asked twice.

    Attributes:
      warnings: why the embedded refiner was taken, of each sentence.
    """

    def __init__(self, model: LanguageModelRefiner):
        self._model = model
        self._there = True
        self.warnings: list[str] = []

    def refine(self, text: str) -> StructuredCaption:
        """See `refiner.refine.refine`.

        Raises:
          ValueError: a wrong address, model or key, or half of a character in the text.
        """
        return merged(text, self.shots(text))

    def shots(self, text: str) -> list[Shot]:
        """See `LanguageModelRefiner.shots`; the embedded refiner gives one, without times.

        Raises:
          ValueError: a wrong address, model or key, or half of a character in the text.
        """
        if self._there:
            try:
                return self._model.shots(text)
            except (TransientError, RefusedError) as error:
                self._there = isinstance(error, RefusedError)
                self.warnings.append(f"warning: {error}; refined by the embedded refiner")
        return [Shot(clause_refiner().refine(text))]

    def usage(self) -> str:
        """Requests, tokens and, where the endpoint says, what they cost; one line."""
        replies = self._model.replies
        read, written = (
            sum(getattr(reply, name) for reply in replies)
            for name in ("prompt_tokens", "completion_tokens")
        )
        costs = [reply.cost for reply in replies if reply.cost is not None]
        cost = f", cost {sum(costs):.6g}" if costs else ""
        return f"{len(replies)} answers, {read} tokens read, {written} written{cost}"
