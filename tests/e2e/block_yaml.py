"""Reads the YAML that `kubectl kustomize` writes, with the standard library alone.

Block style, plain and quoted text, literal blocks; no anchors, no flow style but {} and [].
What it does not understand is a ValueError, never a guess.
"""

import json
import re


def parse_yaml(text):
    """The documents of `text`, as dicts, lists, str, int, bool and None."""
    return [_block(_Lines(part), 0) for part in re.split(r"^---$", text, flags=re.MULTILINE)
            if part.strip()]


class _Lines:
    def __init__(self, text):
        self.lines = text.split("\n")
        self.at = 0
        self.skip_empty()

    def skip_empty(self):
        while self.at < len(self.lines) and not self.lines[self.at].strip():
            self.at += 1

    def indent(self):
        if self.at >= len(self.lines):
            return -1
        line = self.lines[self.at]
        return len(line) - len(line.lstrip(" "))


def _scalar(text):
    if text in ("{}", "[]"):
        return json.loads(text)
    if text[:1] == '"':
        return json.loads(text)
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def _value(lines, text, indent):
    """What follows `key:` or `- ` in a line whose own indent is given; at is past that line."""
    if re.fullmatch(r"\|[-+]?", text):
        kept, inner = [], None
        while lines.at < len(lines.lines):
            line = lines.lines[lines.at]
            if line.strip():
                if lines.indent() <= indent:
                    break
                inner = inner if inner is not None else lines.indent()
            kept.append(line[inner or 0:])
            lines.at += 1
        lines.skip_empty()
        return "\n".join(kept).rstrip("\n") + "\n"
    lines.skip_empty()
    if text:
        # A plain text that is broken over several lines.
        while (lines.indent() > indent and
               not re.match(r"\s*(- |[\w./-]+:( |$))", lines.lines[lines.at])):
            text += " " + lines.lines[lines.at].strip()
            lines.at += 1
        return _scalar(text)
    if lines.indent() > indent or (lines.indent() == indent and
                                   lines.lines[lines.at].lstrip().startswith("- ")):
        return _block(lines, lines.indent())
    return None


def _block(lines, indent):
    if lines.lines[lines.at].lstrip().startswith("- "):
        items = []
        while lines.indent() == indent and lines.lines[lines.at].lstrip().startswith("- "):
            # The item's first line stands as if it were indented alone.
            rest = lines.lines[lines.at][indent + 2:]
            if re.match(r"[\w./-]+:( |$)", rest):
                lines.lines[lines.at] = " " * (indent + 2) + rest
                items.append(_block(lines, indent + 2))
            else:
                lines.at += 1
                items.append(_value(lines, rest, indent))
        return items
    found = {}
    while lines.indent() == indent:
        line = lines.lines[lines.at]
        match = re.match(r"\s*([\w./-]+):(?: (.*))?$", line)
        if match is None:
            raise ValueError(f"not understood: {line!r}")
        lines.at += 1
        found[match[1]] = _value(lines, match[2] or "", indent)
    if lines.indent() > indent:
        raise ValueError(f"indented further than expected: {lines.lines[lines.at]!r}")
    return found
