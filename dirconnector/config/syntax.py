"""YAML syntax errors in words. No word of the file itself is repeated: it may be a secret."""

from __future__ import annotations

import yaml
from yaml.reader import ReaderError

_HINTS = (
    ("while scanning an alias", "a value that starts with * is put in quotes"),
    ("found undefined alias", "a value that starts with * is put in quotes (or an anchor & is missing)"),
    ("while scanning an anchor", "a value that starts with & is put in quotes"),
    ("tag", "a value that starts with ! is put in quotes"),
    ("cannot start any token", "a value that starts with @, % or a backquote is put in quotes"),
    ("mapping values are not allowed", "check the indentation; a value that holds ': ' is put in quotes"),
    ("found unexpected end of stream", "a quote or bracket that was opened is not closed"),
    ("another document", "one file holds one configuration; remove the line ---"),
    ("unknown escape", "inside double quotes a backslash is written twice; or use single quotes"),
)


def describe(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """The line (from 1) and what is wrong there."""
    if isinstance(error, ReaderError):
        before = text.encode("utf-8")[: error.position]
        return before.count(b"\n") + 1, "a control character is in the file; remove it"
    problem = getattr(error, "problem", None) or "cannot be read"
    marks = [getattr(error, "problem_mark", None), getattr(error, "context_mark", None)]
    if "end of stream" in problem:
        marks.reverse()  # what was opened and not closed is of interest, not where the file ends
    line: int = next((mark.line + 1 for mark in marks if mark), 1)
    if _indented_with_tab(text, line):
        return line, "a tab is used for indentation; YAML allows only spaces"
    said = f"{getattr(error, 'context', None) or ''} {problem}"
    hint = next((hint for words, hint in _HINTS if words in said), "check quotes, brackets and indentation")
    if any(word in said for word in ("alias", "anchor", "tag")):
        return line, f"not valid YAML; {hint}"
    return line, f"not valid YAML ({problem}); {hint}"


def _indented_with_tab(text: str, line: int) -> bool:
    lines = text.splitlines()
    row = lines[line - 1] if line <= len(lines) else ""
    return "\t" in row[: len(row) - len(row.lstrip())]
