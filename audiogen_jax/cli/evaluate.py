"""`audiogen evaluate`."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from audiogen_jax.cli.app import app, check_output, counted_steps
from audiogen_jax.cli.options import Checkpoint, Overwrite, sampling_options
from audiogen_jax.infer.options import SamplingOptions

_suite = functools.partial(typer.Option, rich_help_panel="Suites of prompts")
_nano = functools.partial(typer.Option, rich_help_panel="Suite nano")


@app.command(
    epilog="Example: `audiogen evaluate clips/manifest.jsonl --part reconstruction "
    "--output nano.json`. With a page to listen to: `… --html nano.html --examples 5`. "
    "A folder of audio that any system made: `audiogen evaluate --suite "
    "audiocaps --audio FOLDER --references REFS.jsonl --embedder nano:semantic -o report.json`. "
    "What a checkpoint makes of prompts: `… --suite mecat --prompts PROMPTS.jsonl --checkpoint "
    "FOLDER`. With a judge that listens: `… --judge http://localhost:8000/v1 --judge-model MODEL`"
)
@sampling_options
def evaluate(
    options: SamplingOptions,
    manifest: Annotated[
        Path | None,
        typer.Argument(help="Suite nano: real recordings (jsonl), train and val split."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The report with its protocol, .json")
    ] = Path("evaluation.json"),
    html: Annotated[
        Path | None,
        typer.Option(help="The report as a page with clips to listen to, too, .html"),
    ] = None,
    examples: Annotated[int, typer.Option(help="Clips of each kind in the page, at most.")] = 3,
    checkpoint: Checkpoint = "nano",
    suite: Annotated[
        str,
        typer.Option(
            help="nano, audiocaps, musiccaps, libritts, seedtts, mecat, mmag, tta-bench, audioedit"
        ),
    ] = "nano",
    audio: Annotated[
        str | None, _suite(help="Clips that any system made: a folder, or a list (jsonl).")
    ] = None,
    prompts: Annotated[
        str | None, _suite(help="Of the clips, by id: .jsonl, .csv or .parquet.")
    ] = None,
    references: Annotated[
        str | None, _suite(help="Recordings: a folder, or a list (jsonl).")
    ] = None,
    embedder: Annotated[
        list[str] | None,
        _suite(help="Whose distances are measured, such as nano:semantic; repeatable."),
    ] = None,
    transcripts: Annotated[
        str | None,
        _suite(help="What a recogniser heard: jsonl of audio_id, text, model; or whisper=FOLDER."),
    ] = None,
    scores: Annotated[
        list[str] | None,
        _suite(help="Scores: jsonl of audio_id and numbers, or utmos=FILE; repeatable."),
    ] = None,
    judge: Annotated[
        str | None, _suite(help="Who listens: an OpenAI-like http://HOST/v1, or understand.")
    ] = None,
    judge_model: Annotated[
        str | None, _suite(help="Of the judge: its name, or the checkpoint that understands.")
    ] = None,
    dry_run: Annotated[
        bool, _suite("--dry-run", help="Say what the judge would be sent, and stop.")
    ] = False,
    partial: Annotated[
        bool, _suite("--partial", help="Score the clips that have prompt and reference.")
    ] = False,
    draws: Annotated[int, _suite(help="Resamples for intervals of distances of sets.")] = 100,
    system: Annotated[str | None, _suite(help="Name of what made the clips.")] = None,
    duration: Annotated[
        float | None, _suite(help="Seconds of the clips that the checkpoint makes.")
    ] = None,
    overwrite: Overwrite = False,
    part: Annotated[
        list[str] | None,
        _nano(
            help="reconstruction, generation, mixtures, wording, timing, scene, "
            "editing, enhancement, understanding; repeatable, default: all"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws clips, phrasings, noise and resamples.")] = 0,
    per_group: Annotated[int, _nano(help="Clips to rebuild of each group.")] = 50,
    per_class: Annotated[int, _nano(help="Clips to generate of each class.")] = 10,
    pairs: Annotated[int, _nano(help="Mixtures of each kind to make.")] = 100,
    timed: Annotated[int, _nano(help="Words and events to ask for at a time.")] = 60,
    seeds: Annotated[int, _nano(help="Seeds of the demo's scene.")] = 10,
    edits: Annotated[int, _nano(help="Edits of each kind to make.")] = 50,
    noisy: Annotated[int, _nano(help="Sentences to clean.")] = 42,
    mode: Annotated[
        str, _nano(help="Of understanding: strict, or paper with the traps of X-ARES.")
    ] = "strict",
    head_seeds: Annotated[int, _nano(help="Seeds of each linear head.")] = 3,
    xares: Annotated[
        str | None, _nano(help="Folder of X-ARES data, a folder of tar files a task.")
    ] = None,
    bert: Annotated[
        str | None, _nano(help="tokenizer.json of bert-base-uncased, for clotho of X-ARES.")
    ] = None,
    qwen: Annotated[
        str | None, _nano(help="Qwen2.5-0.5B, a folder or its name, for librispeech_asr of X-ARES.")
    ] = None,
    cache: Annotated[
        Path, typer.Option(help="Folder that keeps the trained judge, frames, answers of others.")
    ] = Path("runs/judge"),
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic",
            help="The same bits in every run on a GPU, too: deterministic kernels, float32 "
            "throughout. The report says so.",
        ),
    ] = False,
) -> None:
    """Measure a checkpoint, or clips of any system, and write one report."""
    if deterministic:
        from audiogen_jax.evaluate.determinism import make_deterministic

        make_deterministic()
    beside = None if suite == "nano" else output.with_suffix(".md")
    for path in (output, beside, html):
        if path is not None and not dry_run:
            check_output(path, overwrite)
    if suite == "nano":
        given = {
            "--audio": audio, "--prompts": prompts, "--references": references,
            "--embedder": embedder, "--transcripts": transcripts, "--scores": scores,
            "--judge": judge, "--dry-run": dry_run,
        }  # fmt: skip
        if foreign := [name for name, value in given.items() if value]:
            raise ValueError(f"{', '.join(foreign)}: name the suite that they are for, --suite")
        if manifest is None:
            raise ValueError("suite nano: give the manifest of its recordings")
        from audiogen_jax.evaluate.registry import possible, select
        from audiogen_jax.evaluate.run import evaluate_checkpoint

        suites = select(
            part or possible(checkpoint),
            per_group=per_group,
            per_class=per_class,
            pairs=pairs,
            timed=timed,
            seeds=seeds,
            edits=edits,
            noisy=noisy,
            mode=mode,
            head_seeds=head_seeds,
            xares=xares,
            bert=bert,
            qwen=qwen,
        )
        evaluate_checkpoint(
            checkpoint,
            manifest,
            output,
            cache=cache,
            suites=suites,
            seed=seed,
            options=options,
            html=html,
            examples=examples,
        )
        return
    if manifest is not None or part:
        raise ValueError(f"suite {suite}: a manifest and --part are for suite nano")
    from audiogen_jax.evaluate.benchmarks.generation import Generation
    from audiogen_jax.evaluate.benchmarks.options import SuiteOptions
    from audiogen_jax.evaluate.benchmarks.run import evaluate_suite, plan_judging

    chosen = SuiteOptions(
        suite=suite,
        audio=audio,
        prompts=prompts,
        references=references,
        embedders=tuple(embedder or ()),
        transcripts=transcripts,
        scores=tuple(scores or ()),
        partial=partial,
        draws=draws,
        seed=seed,
        system=system,
        judge=judge,
        judge_model=judge_model,
    )
    if dry_run:
        plan = plan_judging(chosen, cache)
        typer.echo(
            f"{plan.clips - plan.kept} of {plan.clips} clips to ask of, {plan.kept} answers kept, "
            f"{plan.bytes} bytes of sound to send"
        )
        return
    made = None if audio is not None else Generation(checkpoint, options, duration)
    with counted_steps() as report:
        evaluate_suite(
            chosen,
            output,
            generation=made,
            cache=cache,
            report=report,
            html=html,
            examples=examples,
        )
