"""`audiogen plan`."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from audiogen_jax.cli.app import app, progress
from audiogen_jax.cli.options import ShardingOption, sampling_options
from audiogen_jax.infer.options import SamplingOptions

EXAMPLES = (
    "Examples: `audiogen plan --config xl --topology v5e:16x16 --batch 2048`, "
    "`audiogen plan --config xl --topology v5e:2x4 --batch 64 --sampler --steps 12`"
)


@app.command("compile", hidden=True, epilog=EXAMPLES)  # the name in version 0.1
@app.command(epilog=EXAMPLES)
@sampling_options
def plan(
    options: SamplingOptions,
    config: Annotated[str, typer.Option(help="A packaged config or FILE.py; :ARG after it.")],
    topology: Annotated[
        str, typer.Option(help="Where it would run: v5e:16x16, v5p:4x4x4, v6e:8x8, h200:8 ...")
    ],
    batch: Annotated[
        int | None, typer.Option(help="Clips of a step or batch instead of the config's.")
    ] = None,
    sampler: Annotated[
        bool, typer.Option("--sampler", help="Plan generating a batch instead of training.")
    ] = False,
    sharding: ShardingOption = "dp",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key.path=value, may be repeated.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Save the plan, .json")
    ] = None,
) -> None:
    """Compile a training step or a sampler for devices that are not there: what would it cost?"""
    if (options != SamplingOptions() or sharding != "dp") and not sampler:
        raise ValueError(
            "options of sampling need --sampler: without it a training step is planned"
        )
    kind, _, shape = topology.partition(":")
    # libtpu, a C library, reads this when it is loaded: it is not to ask the cloud's metadata
    # server what machine this is.
    os.environ["TPU_SKIP_MDS_QUERY"] = "1"
    import jax

    jax.config.update("jax_platforms", "cpu")
    if not kind.startswith("v") and shape.isdigit():
        jax.config.update("jax_num_cpu_devices", int(shape))
    from audiogen_jax.files.atomic import written_atomically
    from audiogen_jax.plan.memory import check_fits
    from audiogen_jax.plan.sampling import plan_sampling
    from audiogen_jax.plan.training import plan_training
    from audiogen_jax.train.config import load_config

    overrides = list(set_ or [])
    settings: Any = load_config(config, overrides)
    if batch is not None:
        sizes = (*settings.data.batch_sizes[:-1], batch)
        settings = load_config(config, [*overrides, f"data.batch_sizes={sizes}"])
    with progress(f"compiling for {topology}"):
        if sampler:
            clips = settings.data.batch_sizes[-1]
            cost = plan_sampling(settings, topology, clips, options, sharding)
        else:
            cost = plan_training(settings, topology)
    if output is not None:
        with written_atomically(output) as temporary:
            temporary.write_text(json.dumps(cost, indent=2) + "\n")
    title = f"{cost['program']} on {cost['chips']} x {cost['chip']}, batch {cost['batch']}"
    table = Table("", title=title)
    table.add_column(justify="right")
    for row in _sampling_rows(cost) if sampler else _training_rows(cost):
        table.add_row(*row)
    Console().print(table)
    check_fits(cost)


def _sampling_rows(plan: dict[str, Any]) -> list[tuple[str, str]]:
    memory, flops = plan["memory"], plan["flops"]
    gib = 2**30
    return [
        ("parameters", f"{plan['parameters'] / 1e6:.1f} M"),
        ("HBM of a chip", f"{memory['hbm'] / gib:.1f} GiB"),
        (
            "  parameters" + ("" if plan["sharding"] != "dp" else ", all of them"),
            f"{memory['parameters'] / gib:.2f} GiB",
        ),
        ("  working memory and program", f"{memory['working'] / gib:.2f} GiB"),
        ("  peak", f"{memory['peak'] / gib:.2f} GiB"),
        ("solver", f"{plan['solver']}, {plan['steps']} steps, guidance {plan['guidance']:g}"),
        ("operations of a clip", f"{flops['per_clip'] / 1e12:.1f} TFLOP"),
        ("HBM traffic of a chip", f"{plan['hbm_bytes'] / 1e9:.1f} GB"),
        ("a batch at peak", f"{plan['seconds_per_batch_at_peak']:.2f} s"),
        ("clips/s at 40 % of it", f"{plan['clips_per_second_at_40_percent_mfu']:.1f}"),
        ("compiled in", f"{plan['compile_seconds']:.0f} s"),
    ]


def _training_rows(plan: dict[str, Any]) -> list[tuple[str, str]]:
    memory, flops, times = plan["memory"], plan["flops"], plan["seconds_per_step"]
    schedule = plan["schedule"]
    gib, tera = 2**30, 1e12
    rows = [
        ("parameters, trained", f"{plan['parameters']['trained'] / 1e6:.1f} M"),
        ("HBM of a chip", f"{memory['hbm'] / gib:.1f} GiB"),
        ("  parameters, optimizer, average", f"{memory['parameters_and_optimizer'] / gib:.2f} GiB"),
        ("  working memory and program", f"{memory['working'] / gib:.2f} GiB"),
        ("  peak", f"{memory['peak'] / gib:.2f} GiB"),
        ("arrays above 1 MiB on every chip", str(len(plan["replicated"]))),
        ("operations of the model", f"{flops['model'] / tera:.1f} TFLOP"),
        ("  of a chip", f"{flops['per_chip'] / tera:.3f} TFLOP"),
        ("  of a chip / (all / chips)", f"{flops['per_chip_over_ideal']:.3f}"),
    ]
    rows += [
        (f"{row['kind']} of a chip", f"{row['count']} x, {row['bytes'] / 1e9:.3f} GB")
        for row in plan["collectives"]
    ]
    return [
        *rows,
        ("HBM traffic of a chip", f"{plan['hbm_bytes'] / 1e9:.2f} GB"),
        ("computing at peak", f"{1e3 * times['computing']:.1f} ms"),
        ("HBM at peak", f"{1e3 * times['memory']:.1f} ms"),
        ("kernel by kernel, the longer", f"{1e3 * times['kernels']:.1f} ms"),
        ("sending at peak", f"{1e3 * times['sending']:.1f} ms"),
        ("bound by", plan["bound_by"]),
        ("MFU at most", f"{100 * plan['mfu_bound']:.0f} %"),
        (
            f"{schedule['steps']} steps at 40 % MFU",
            f"{schedule['days_at_40_percent_mfu']:.1f} days",
        ),
        ("  chip-hours", f"{schedule['chip_hours_at_40_percent_mfu']:.0f}"),
        ("compiled in", f"{plan['compile_seconds']:.0f} s"),
    ]
