"""Directives that take reference text from the code itself, so that it cannot differ from it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive

from aggregator.cli import COMMANDS
from aggregator.counters import COUNTERS
from writer.monitor.metrics import BY_PROCESS, GAUGES, PREFIX, counter_help

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HELP_COLUMNS = "96"


class CommandHelp(Directive):
    """What a command of hkagg prints for `--help`; without a name, what hkagg itself prints."""

    optional_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        """Return the text as it is printed in a terminal."""
        return [_help_of(*self.arguments)]


class CommandSections(Directive):
    """A section for each command, with its summary and what it prints for `--help`."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        return [_section(name, command.summary) for name, command in COMMANDS.items()]


def _section(name: str, summary: str) -> nodes.section:
    section = nodes.section("", nodes.title("", f"hkagg {name}"), ids=[f"hkagg-{name}"], names=[f"hkagg {name}"])
    section += nodes.paragraph("", f"{summary[0].upper()}{summary[1:]}.")
    section += _help_of(name)
    return section


def _help_of(*command: str) -> nodes.literal_block:
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "aggregator", *command, "--help"],
        env={**os.environ, "COLUMNS": HELP_COLUMNS, "INSTANCE_ID": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return nodes.literal_block(done.stdout, done.stdout, language="none")


class CounterTable(Directive):
    """A table of the counters of one process."""

    required_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        """Return the table: name, what it is broken down by, what it counts."""
        declared = {name: spec for name, spec in COUNTERS.items() if spec.process == self.arguments[0]}
        rows = [[f"`{name}`", spec.label, spec.help_text] for name, spec in declared.items()]
        return [_table(["counter", "by", "what it counts"], rows, [20, 10, 70])]


class MetricTable(Directive):
    """A table of the monitor's metrics: `gauges`, `by-process` or `counters`."""

    required_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        """Return the table: name, what it tells."""
        texts = {
            "gauges": {PREFIX + name: gauge.help_text for name, gauge in GAUGES.items()},
            "by-process": {PREFIX + name: text for name, text in BY_PROCESS.items()},
            "counters": dict(counter_help()),
        }
        rows = [[f"`{name}`", text] for name, text in texts[self.arguments[0]].items()]
        return [_table(["metric", "what it tells"], rows, [35, 65])]


def _table(head: list[str], rows: list[list[str]], widths: list[int]) -> nodes.table:
    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in widths), cols=len(widths))
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group)


def _row(cells: list[str]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", _inline(cell))) for cell in cells))


def _inline(text: str) -> nodes.Node:
    return nodes.literal(text[1:-1], text[1:-1]) if text.startswith("`") else nodes.Text(text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directives known to Sphinx."""
    app.add_directive("command-help", CommandHelp)
    app.add_directive("command-sections", CommandSections)
    app.add_directive("counter-table", CounterTable)
    app.add_directive("metric-table", MetricTable)
    return {"parallel_read_safe": True}
