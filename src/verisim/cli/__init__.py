"""The command line: one short file a verb."""

from __future__ import annotations

import sys

import click
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
    """Run a command; a person's mistake ends with exit code 2 and a sentence, never a traceback."""
    terminal = Terminal("--json" in sys.argv)
    try:
        code = app(standalone_mode=False)
    except VerisimError as error:
        terminal.refuse(error.code, error.message, error.remedy)
        code = 2
    except click.ClickException as error:
        terminal.refuse("usage", error.format_message(), "See verisim --help.")
        code = 2
    except (KeyboardInterrupt, click.Abort):
        terminal.refuse("cancelled", "Stopped.", "Nothing half-written was left.")
        code = 130
    sys.exit(code if isinstance(code, int) else 0)
