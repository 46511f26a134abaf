"""Listening judges by name."""

from audiogen_jax.evaluate.listening.endpoint import EndpointJudge
from audiogen_jax.evaluate.listening.judge import ListeningJudge, UnderstandingJudge


def load_judge(name: str, model: str | None) -> ListeningJudge:
    """A judge, ready to be asked.

    Args:
      name: "understand" for a model of `audiogen understand`, or the address of an endpoint in the
        shape of OpenAI's, up to "/v1".
      model: of the endpoint; or the checkpoint that understands, a downloaded one if None.

    Raises:
      ValueError: no such judge or checkpoint, or an endpoint without a model.
    """
    if name == "understand":
        from audiogen_jax.infer.understand import Understanding

        return UnderstandingJudge(Understanding.load(model), model or "downloaded")
    return EndpointJudge(name, model or "")
