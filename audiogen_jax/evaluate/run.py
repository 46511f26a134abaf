"""`audiogen evaluate`: everything that is measured of a checkpoint, in one report."""

from collections.abc import Sequence
from pathlib import Path

from audiogen_jax.checkpoints.locate import find_checkpoint
from audiogen_jax.evaluate.html import check_page, write_html
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.evaluate.recordings import heard_in_training, read_recordings, recordings_sha256
from audiogen_jax.evaluate.registry import possible, select
from audiogen_jax.evaluate.report import check_report_path, print_report, write_report
from audiogen_jax.evaluate.suite import Context, Measurement, Model, Suite
from audiogen_jax.files.fingerprint import checkpoint_sha256, sha256
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.pipeline import Pipeline
from audiogen_jax.infer.requests import check_seed
from audiogen_jax.input.manifest import read_manifest


def evaluate_checkpoint(
    checkpoint: str | Path,
    manifest: str | Path,
    out: str | Path,
    *,
    cache: str | Path,
    suites: Sequence[Suite] | None = None,
    seed: int = 0,
    options: SamplingOptions | None = None,
    html: str | Path | None = None,
    examples: int = 3,
) -> dict[str, object]:
    """Evaluates a checkpoint, writes the report with its protocol and prints its tables.

    Args:
      checkpoint: "nano" or a folder in Hugging Face layout; a codec's is enough for suites that
        need no generator.
      manifest: real recordings with a train and a val split.
      out: the report, `.json`.
      cache: folder for what is made once, such as the trained judge.
      suites: what is measured; all of `registry.SUITES` that the checkpoint can do if None.
      seed: in [0, 2**32); draws clips, phrasings and noise.
      options: how the generator samples.
      html: the same report as a page with clips to listen to, `.html`; none is written if None.
      examples: clips of each kind that are in the page, at most.

    Returns:
      The results by the name of the suite.

    Raises:
      ValueError: bad arguments, no such checkpoint, a bad manifest, or a clip that comes out
        silent.
      OSError: a file cannot be read or written.
    """
    suites = select(possible(checkpoint)) if suites is None else suites
    if not suites:
        raise ValueError("no suites: name at least one thing to measure")
    seed = check_seed(seed)
    check_report_path(out, ".json")
    check_page(html, examples)
    read_manifest(manifest)  # a bad one is refused before a model is loaded
    model = _load(checkpoint, any(suite.needs_generator for suite in suites))
    recordings = read_recordings(manifest, model.codec.sample_rate)
    options = options or SamplingOptions()
    context = Context(Path(cache), seed, options, examples if html else 0)
    if model.pipeline is not None:
        files_sha256 = model.pipeline.checkpoint_sha256()
    else:
        files_sha256 = checkpoint_sha256(find_checkpoint(checkpoint))
    protocol: dict[str, object] = {
        "checkpoint": Path(checkpoint).name,
        "checkpoint_sha256": files_sha256,
        "manifest": Path(manifest).name,
        "manifest_sha256": sha256(Path(manifest)),
        "recordings_sha256": recordings_sha256(recordings),
        "seed": seed,
        "run": {
            "checkpoint": str(checkpoint),
            "manifest": str(manifest),
            "seed": seed,
            "sampling": options,
            "suites": {suite.name: suite for suite in suites},
        },
        **environment(),
    }
    if heard := heard_in_training(recordings):
        protocol["validation_heard_in_training"] = [clip.audio_id for clip in heard]
    if form := model.form(options):  # steps of a student are not those of the generator
        protocol["form"] = form
    if model.codec.channels > 1:
        protocol["channels"] = "averaged to mono"
    results: dict[str, object] = {}
    measured: list[Measurement] = []
    for suite in suites:
        measurement = suite.run(model, recordings, context)
        protocol[suite.name] = measurement.protocol
        if measurement.results:
            results[suite.name] = measurement.results
        measured.append(measurement)
    write_report(out, protocol, results)
    print_report(
        [table for measurement in measured for table in measurement.tables],
        [measurement.note for measurement in measured if measurement.note],
    )
    if html is not None:
        write_html(html, protocol, dict(zip((s.name for s in suites), measured, strict=True)))
    return results


def _load(checkpoint: str | Path, generator: bool) -> Model:
    if not generator:
        return Model(Codec.load(checkpoint))
    pipeline = Pipeline.load(checkpoint)
    return Model(pipeline.codec, pipeline)
