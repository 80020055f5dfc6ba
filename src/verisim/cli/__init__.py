"""The command line: one short file a verb."""

from __future__ import annotations

import signal
import sys
import warnings
from types import FrameType

import typer

from verisim import __version__
from verisim.cli import (
    audit,
    compare_samplers,
    data,
    doctor,
    ensemble,
    evaluate,
    evaluate_use,
    exchange,
    fidelity,
    key,
    models,
    plan,
    refine,
    release,
    segment,
    serve,
    synthesize,
    train,
    train_clicks,
    train_generator,
)
from verisim.cli.terminal import Terminal
from verisim.errors import VerisimError

MISTAKE, INTERRUPTED, ENDED = 2, 130, 143
"""Exit codes: a mistake of the person, Ctrl-C, and a `kill` (128 + the signal's number)."""

USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises for a wrong command or option; it exports only this child of the class."""

app = typer.Typer(
    name="verisim",
    help="Segment medical volumes, train and evaluate models, serve them to 3D Slicer.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(segment.segment)
app.command()(refine.refine)
app.command()(plan.plan)
app.command()(train.train)
app.command()(train_clicks.train_clicks)
app.command()(synthesize.synthesize)
app.command()(compare_samplers.compare_samplers)
app.command()(fidelity.fidelity)
app.command()(audit.audit)
app.command()(evaluate_use.evaluate_use)
app.command()(train_generator.train_generator)
app.command()(release.release)
app.command()(release.verify)
app.command()(evaluate.evaluate)
app.command()(ensemble.ensemble)
app.command()(models.models)
app.command()(exchange.import_nnunet)
app.command()(exchange.export_nnunet)
app.command()(serve.serve)
app.command()(key.key)
app.command()(doctor.doctor)
app.add_typer(data.app, name="data")


@app.callback(invoke_without_command=True)
def version(
    context: typer.Context,
    show: bool = typer.Option(False, "--version", help="Show the version and exit."),
) -> None:
    """Segment medical volumes, train and evaluate models, serve them to 3D Slicer."""
    if show:
        sys.stdout.write(f"verisim {__version__}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


def main() -> None:
    """Run a command; a mistake ends with exit code 2 and a sentence, never a traceback."""
    # third parties' notes to their own developers are not for this person
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(monai|torch)\.")
    # a `kill` unwinds like Ctrl-C, so that temporary files and servers go with it
    signal.signal(signal.SIGTERM, _end)
    terminal = Terminal("--json" in sys.argv)
    try:
        result = app(prog_name="verisim", standalone_mode=False)
    except VerisimError as error:
        terminal.refuse(error.code, error.message, error.remedy)
        sys.exit(MISTAKE)
    except USAGE_ERROR as error:
        terminal.refuse("usage", _sentence(error), "Add --help to see what the command takes.")
        sys.exit(MISTAKE)
    except (KeyboardInterrupt, typer.Abort):
        result = INTERRUPTED
    if result == INTERRUPTED:
        terminal.refuse("cancelled", "Stopped.", "Nothing half-written was left behind.")
    sys.exit(result if isinstance(result, int) else 0)


def _sentence(error: Exception) -> str:
    said = getattr(error, "format_message", error.__str__)()
    return str(said)


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(ENDED)
