"""`verisim doctor`: what is installed, what clashes, and how to mend it."""

from __future__ import annotations

from rich.table import Table

from verisim.cli.options import USER_MODELS, AsJson, Models
from verisim.cli.terminal import Terminal


def doctor(models: Models = USER_MODELS, as_json: AsJson = False) -> None:
    """Show versions, devices, memory and models; name every clash with its remedy."""
    from verisim.diagnosis import examine

    diagnosis = examine(models)
    table = Table("what", "found")
    for name, version in diagnosis.versions.items():
        table.add_row(name, version)
    for device in diagnosis.devices:
        table.add_row(device.name, f"{device.free_gib:.1f} of {device.total_gib:.1f} GiB free")
    table.add_row("models", ", ".join(diagnosis.models) or "none")
    findings = [f"! {finding.what}. {finding.remedy}" for finding in diagnosis.findings]
    fine = "Everything fits together."
    Terminal(as_json).answer(diagnosis, table, *(findings or [fine]))
