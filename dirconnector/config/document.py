"""A YAML file as plain values that still know their line.

PyYAML keeps the last of two equal keys silently, builds any tag, and forgets positions. So the file is
composed to nodes only, and the values are built here: text, numbers, true and false, lists and mappings with
text keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from dirconnector.config.syntax import describe
from dirconnector.errors import ConfigError

KeyPath = tuple[str | int, ...]
"""Where a value is: the keys and list positions that lead to it from the top of the file."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"

BIGGEST = 1 << 20
"""Bytes. No configuration comes near, and a wrong file (an export, a dump) is named at once."""
DEEPEST = 50
"""Lists and mappings inside each other. libyaml recurses without end, and takes the process with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One parsed file. ``problems`` are where, on which line, and what is wrong with it as YAML.

    What has no usable value is None in ``data``.
    """

    path: Path
    data: dict[str, Any]
    root: yaml.MappingNode
    problems: tuple[tuple[KeyPath, int, str], ...]

    def has(self, path: KeyPath) -> bool:
        """True when something stands at ``path``."""
        return sum(1 for _ in _walk(self.root, path)) == len(path)

    def without_strangers(self, path: KeyPath) -> KeyPath:
        """``path`` without the parts that are not in the file (pydantic names a union's types in between)."""
        place: KeyPath = ()
        for part in path:
            if self.has((*place, part)):
                place = (*place, part)
        return place

    def line(self, path: KeyPath) -> int:
        """The line (from 1) where the last existing part of ``path`` is written; for a key, the line of the key."""
        lines = [line for line, _ in _walk(self.root, path)]
        return (lines[-1] if lines else self.root.start_mark.line) + 1

    def at(self, path: KeyPath) -> Any:
        """The value at an existing ``path``."""
        value: Any = self.data
        for part in path:
            value = value[part]
        return value

    def sentence(self, path: KeyPath, what: str, line: int | None = None) -> str:
        """``file:line: path.in.the.config: what``."""
        return f"{self.path}:{line or self.line(path)}: {dotted(path)}: {what}"


def dotted(path: KeyPath) -> str:
    """``select.users.include[0].group``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def parse(path: Path) -> Document:
    """Read and parse ``path``. Raises :class:`ConfigError` when that cannot be done: unreadable, not YAML, empty."""
    text = _text(path)
    loader = _LOADER(text)
    try:
        if line := _too_deep(text):
            raise ConfigError(f"{path}:{line}: more than {DEEPEST} lists and mappings inside each other; {_WRONG_FILE}")
        root = loader.get_single_node()
    except yaml.YAMLError as error:
        line, what = describe(error, text)
        raise ConfigError(f"{path}:{line}: {what}") from None
    finally:
        loader.dispose()
    if root is None or root.tag == _TAG + "null":
        raise ConfigError(f"{path}:1: the file is empty; `dirsync init` writes one to start from")
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(
            f"{path}:{root.start_mark.line + 1}: a configuration is a mapping of keys to values "
            "(directories:, organization:, ...), this file holds something else"
        )
    builder = _Builder()
    data = builder.mapping(root, ())
    return Document(path=path, data=data, root=root, problems=tuple(builder.problems))


def _too_deep(text: str) -> int:
    """The line (from 1) where nesting goes too far, 0 when it does not. Raises :class:`yaml.YAMLError`."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                return event.start_mark.line + 1 if event.start_mark else 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return 0


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(BIGGEST + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or type(error).__name__})") from None
    if len(raw) > BIGGEST:
        raise ConfigError(f"{path}: is bigger than {BIGGEST >> 20} MiB; {_WRONG_FILE}")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{path}:1: the file is UTF-16; save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
    raise ConfigError(f"{path}:{line}: the file is not UTF-8 text; save it as UTF-8")


def _walk(node: yaml.Node, path: KeyPath) -> Iterator[tuple[int, yaml.Node]]:
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == part), None)
            if found is None:
                return
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        else:
            return
        yield line, node


@dataclass(slots=True)
class _Builder:
    """Builds values from nodes. An alias is built once and shared, so nested aliases cannot blow up."""

    problems: list[tuple[KeyPath, int, str]] = field(default_factory=list)
    built: dict[int, Any] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)

    def value(self, node: yaml.Node, path: KeyPath, line: int) -> Any:
        if id(node) in self.open:
            return self._problem(path, line, "an alias (*name) stands inside what it refers to")
        if id(node) not in self.built:
            self.open.add(id(node))
            self.built[id(node)] = self._build(node, path, line)
            self.open.discard(id(node))
        return self.built[id(node)]

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != _TAG + "str":
                self._problem(path, line, _key_problem(key))
            elif key.value in result:
                first = lines[key.value]
                self._problem((*path, key.value), line, f"the key is given twice (first on line {first})")
            else:
                lines[key.value] = line
                result[key.value] = self.value(value, (*path, key.value), line)
        return result

    def _build(self, node: yaml.Node, path: KeyPath, line: int) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [
                self.value(item, (*path, number), item.start_mark.line + 1) for number, item in enumerate(node.value)
            ]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path, line)
        return self._problem(path, line, _NO_TAGS)

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath, line: int) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind in ("str", "timestamp", "value"):
            return node.value
        if kind == "null":
            return self._problem(path, line, "there is no value; give one, or leave the key out")
        if kind not in ("int", "float", "bool"):
            return self._problem(path, line, _NO_TAGS)
        try:
            return getattr(SafeConstructor(), f"construct_yaml_{kind}")(node)
        except (ValueError, KeyError):
            return self._problem(path, line, f"not a valid {kind}; put it in quotes if it is text")

    def _problem(self, path: KeyPath, line: int, what: str) -> None:
        self.problems.append((path, line, what))


_WRONG_FILE = "no configuration is like that: is this the right file?"
_NO_TAGS = "YAML tags are not used here; put a value that starts with ! in quotes"


def _key_problem(key: yaml.Node) -> str:
    if key.tag == _TAG + "merge":
        return "merge keys (<<) are not used here; write the keys out"
    if isinstance(key, yaml.ScalarNode):
        return "a key here is not text for YAML (it reads as a number, true, false or null); put it in quotes"
    return "a key is plain text; put a value that starts with { or [ in quotes"
