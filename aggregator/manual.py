"""How the help of a command is laid out: paragraphs as wide as the terminal, lists and examples as they stand."""

from __future__ import annotations

import argparse
import textwrap


class ManualFormatter(argparse.HelpFormatter):
    """Fills the paragraphs of a description or an epilog; one with an indented line is left as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(_fill(paragraph, width, indent) for paragraph in text.split("\n\n"))


def _fill(paragraph: str, width: int, indent: str) -> str:
    if any(line.startswith(" ") for line in paragraph.splitlines()):
        return textwrap.indent(paragraph, indent)
    return textwrap.fill(paragraph, width, initial_indent=indent, subsequent_indent=indent)
