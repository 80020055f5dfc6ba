"""What the page of an audit says in tables: recall, real cases, the generator, how it was made."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from verisim.audit.findings import ModelSide, Recall, SetFacts
from verisim.audit.page_words import cells, interval, number, share, table
from verisim.audit.report import AuditReport


def recall_table(report: AuditReport) -> str:
    """How many planted copies were found, kind by kind, and of which nothing is claimed."""
    rows = [_recall(one) for one in report.recalls]
    header = ("change", "", "#found", "#95 % interval", "#planted")
    parts = [
        "<h2>Would a copy have been found?</h2>",
        "<p>In this very run copies of training cases were hidden among the synthetic cases, "
        "each changed in one way. A share below tells how many of them came out above the "
        "threshold.</p>",
    ]
    if not rows:
        return "\n".join((*parts, "<p>No copies were planted: nothing is known of recall.</p>"))
    parts.append(table("Recall of planted copies", header, rows))
    return "\n".join((*parts, _blind_spots(report)))


def _recall(one: Recall) -> str:
    found = round(100 * one.share)
    named = f"{escape(one.kind)}{' — <strong>blind spot</strong>' if one.blind else ''}"
    meter = (
        f'<td class="gauge"><span class="meter" aria-hidden="true">'
        f'<span style="width:{found}%"></span></span></td>'
    )
    bounds = f"{share(one.low).removesuffix(' %')}–{share(one.high)}"
    rest = cells(share(one.share), bounds, number(one.planted))
    return f'<tr{" class=blind" * one.blind}><th scope="row">{named}</th>{meter}{rest}</tr>'


def _blind_spots(report: AuditReport) -> str:
    if not report.blind_spots:
        return "<p>No kind of copy that was planted is a blind spot. Other kinds may exist.</p>"
    kinds = ", ".join(f"<em>{escape(kind)}</em>" for kind in report.blind_spots)
    return (
        f"<p><strong>Blind spots.</strong> Copies of these kinds were not found reliably: {kinds}"
        ". "
        "If the generator makes such copies, this audit would not have told. What it says about "
        "the set does not speak of them.</p>"
    )


def real_cases(report: AuditReport) -> str:
    """What was wrong with the real cases."""
    clusters, leaks = report.hygiene.clusters, report.hygiene.leaks
    parts = ["<h2>The real cases</h2>"]
    if not clusters and not leaks:
        parts.append(
            "<p>No training cases of different patients look alike, and no held-out case looks "
            "like a training case.</p>"
        )
    if clusters:
        sizes = ", ".join(str(len(cluster)) for cluster in clusters)
        parts.append(
            f"<p>{len(clusters)} groups of training cases look alike although they are said to "
            f"be of different patients (cases in each: {sizes}). Copies of such cases are more "
            "likely to be made.</p>"
        )
    if leaks:
        parts.append(
            f"<p><strong>{len(leaks)} held-out cases look like training cases.</strong> If they "
            "are of the same patients, the thresholds are too high and copies are missed.</p>"
        )
    return "\n".join(parts)


def model_side(report: AuditReport) -> str:
    """What was found with the generator at hand, or in whole sets; empty if it was not asked."""
    rows = list(_model_rows(report.model_side)) if report.model_side else []
    if report.discovery is not None and report.discovery.patients:
        found = f"{report.discovery.patients[-1]} in {report.discovery.drawn[-1]} cases"
        unseen = f"{number(report.discovery.unseen, 1)} more expected"
        rows.append(_row("training patients that flagged cases show", found, unseen))
    if not rows:
        return ""
    header = ("test", "#result", "if it copies nobody")
    shown = table("Tests of the generator and of whole sets", header, rows)
    return f"<h2>The generator</h2>\n{shown}"


def _model_rows(found: ModelSide) -> Iterator[str]:
    if found.membership is not None:
        auc, tpr = found.membership.auc, found.membership.tpr
        yield _row("membership inference: area under the curve", interval(auc), "0.5")
        yield _row(
            "membership inference: patients found at 1 % false alarms", interval(tpr, True), "1 %"
        )
    if found.sets is not None:
        sets = found.sets
        yield _row("C_T: copying where far below 0", number(sets.c_t), "about 0")
        real = share(sets.real_authenticity)
        yield _row("authenticity", share(sets.authenticity), f"{real}, as held-out cases")
        yield _row("adversarial accuracy: privacy loss", number(sets.privacy_loss), "0")
        yield _row("feature likelihood: generalization gap", number(sets.fld_gap), "about 0")


def _row(name: str, value: str, expected: str) -> str:
    return f"<tr>{cells(value, first=escape(name))}<td>{escape(expected)}</td></tr>"


def made(report: AuditReport) -> str:
    """With what, from what and by which chance."""
    sets = (
        ("training", report.training),
        ("held out", report.held_out),
        ("synthetic", report.synthetic),
    )
    rows = [_set(name, facts) for name, facts in sets]
    header = ("set", "name, and SHA-256 of all cases", "#cases", "#patients")
    measures = ", ".join(report.measures)
    return (
        "<h2>How it was made</h2>\n"
        f"{table('The sets', header, rows)}\n"
        f"<p>verisim {escape(report.version)}, {escape(report.made)}, seed {report.seed}, level "
        f"{share(report.level)}. Measures: {escape(measures)}.{_stand_ins(report)}</p>\n"
        f"{_weights(report)}"
        '<p class="soft">Each measure finds the most alike training case of every synthetic and '
        "every held-out case. Scores are standardized by those of training cases among each "
        "other; the highest counts. Thresholds come from held-out patients of the same stratum, "
        "one score a patient, by conformal prediction; p-values are adjusted for the number of "
        "cases (Benjamini and Hochberg 1995). Names of real cases are left out here; the report "
        "for programs, report.json, has them in the same order.</p>"
    )


def _stand_ins(report: AuditReport) -> str:
    if not report.stand_ins:
        return ""
    return (
        f" Held-out patients are few: {report.stand_ins} training patients, each compared with "
        "the others alone, stand in beside them."
    )


def _weights(report: AuditReport) -> str:
    """Of networks that others have trained; empty where none were asked."""
    return "".join(
        f"<p>The network of the measure {escape(one.measure)} has the weights of SHA-256 "
        f"<code>{escape(one.sha256)}</code>.</p>\n"
        for one in report.weights
    )


def _set(name: str, facts: SetFacts) -> str:
    counts = cells(number(facts.cases), number(facts.patients))
    return (
        f'<tr><th scope="row">{name}</th><td class="name">{escape(facts.name)}'
        f"<br><code>{escape(facts.sha256)}</code></td>{counts}</tr>"
    )
