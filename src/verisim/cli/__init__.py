"""The command line: one short file a verb."""

from __future__ import annotations

import sys
import warnings

import typer

from verisim import __version__
from verisim.cli import data, doctor, evaluate, models, segment, serve, train
from verisim.cli.terminal import Terminal
from verisim.errors import VerisimError

app = typer.Typer(
    name="verisim",
    help="Segment medical volumes, train and evaluate models, serve them to 3D Slicer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(segment.segment)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(models.models)
app.command()(serve.serve)
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
    try:
        app()
    except VerisimError as error:
        Terminal("--json" in sys.argv).refuse(error.code, error.message, error.remedy)
        sys.exit(2)
