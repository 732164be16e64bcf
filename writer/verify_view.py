"""Shows people what a check of archive files found."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from writer.file_check import FileReport
from writer.findings import Finding
from writer.rules import Rule
from writer.survey_view import plural, printable, size_text

MOST_LINES = 20
"""Lines for one rule and file; more of the same say nothing new."""

PIPED_WIDTH = 200
MENDED_BY_CUTTING = {Rule.FRAME_TORN, Rule.ZERO_BYTES, Rule.NOT_A_FRAME, Rule.CHECKSUM}


def show(reports: list[FileReport], findings: list[Finding]) -> None:
    """Print a line per fault, one per kind of remark, what the rules are for, and a line for all."""
    reports = [report for report in reports if report.error is None]
    console = Console(highlight=False, soft_wrap=True, file=sys.stdout)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    for line in _lines(findings):
        console.print(line)
    if findings:
        console.print(_legend(findings))
    console.print(_total(reports, findings))


def _lines(findings: list[Finding]) -> Iterator[Text]:
    shown: Counter[tuple[str, Rule]] = Counter()
    hidden: dict[tuple[str, Rule], Counter[str]] = {}
    for finding in findings:
        key = ("", finding.rule) if finding.rule.is_remark else (finding.path, finding.rule)
        shown[key] += 1
        if shown[key] <= (1 if finding.rule.is_remark else MOST_LINES):
            yield _line(finding)
        else:
            hidden.setdefault(key, Counter())[finding.path] += finding.count
    for (path, rule), counts in hidden.items():
        where = f"{printable(path)}: " if path else ""
        files = "" if path else f" in {plural(len(counts), 'other file')}"
        yield Text(f"{where}{rule.value}: {counts.total():,} more{files}; --json has all", style="dim")


def _line(finding: Finding) -> Text:
    place = "" if finding.frame is None else f" frame {finding.frame}, byte {finding.offset}:"
    again = f" ({finding.count:,} times from here on)" if finding.count > 1 else ""
    style = "yellow" if finding.rule.is_remark else "bold red"
    kind = "remark " if finding.rule.is_remark else ""
    return Text.assemble(
        (printable(finding.path), "bold"),
        f":{place} {kind}",
        (finding.rule.value, style),
        f": {printable(finding.text)}{again}",
    )


def _legend(findings: list[Finding]) -> Table:
    counts: Counter[Rule] = Counter()
    for finding in findings:
        counts[finding.rule] += finding.count
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("rule", no_wrap=True)
    table.add_column("times", justify="right")
    table.add_column("what readers make of it")
    for rule, count in counts.most_common():
        table.add_row(Text(rule.value, style="yellow" if rule.is_remark else "red"), f"{count:,}", Text(rule.effect))
    return table


def _total(reports: list[FileReport], findings: list[Finding]) -> Text:
    faulty = {finding.path for finding in findings if not finding.rule.is_remark}
    faults = sum(finding.count for finding in findings if not finding.rule.is_remark)
    remarks = sum(finding.count for finding in findings if finding.rule.is_remark)
    frames, rows = sum(report.frames for report in reports), sum(report.rows for report in reports)
    files, size_bytes = len(reports), sum(report.size_bytes for report in reports)
    text = Text(f"{plural(files, 'file')}, {size_text(size_bytes)}, {plural(frames, 'frame')}, {plural(rows, 'row')}: ")
    text.append_text(
        Text(f"{plural(faults, 'fault')} in {plural(len(faulty), 'file')}", style="bold red")
        if faults
        else Text("clean", style="bold green")
    )
    text.append("".join(_further(findings, remarks)))
    return text


def _further(findings: list[Finding], remarks: int) -> Iterator[str]:
    if remarks:
        yield f", {plural(remarks, 'remark')}"
    if any(finding.rule in MENDED_BY_CUTTING for finding in findings):
        yield "; see what can be mended with 'hkagg repair --dry-run'"
