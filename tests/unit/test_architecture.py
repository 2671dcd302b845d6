"""The directions of imports that docs/architecture.md promises, read from the code itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "dirconnector"

VOCABULARY = {"errors", "model"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "model": set(),
    "dn": set(),
    "settings": {"errors"},
    "folders": {"errors"},
    "http": {"errors", "settings"},
    "rules": VOCABULARY,
    "plan": VOCABULARY | {"rules"},
    "readers": VOCABULARY | {"settings", "dn", "http"},
    "organizations": VOCABULARY | {"settings", "plan", "http", "folders"},
    "state": VOCABULARY | {"plan", "organizations", "folders"},
    "config": VOCABULARY | {"settings", "rules", "plan", "readers", "organizations"},
    "reading": VOCABULARY | {"readers", "state"},
    "memory": VOCABULARY | {"rules", "plan", "state"},
    "sync": VOCABULARY | {"rules", "plan", "readers", "reading", "memory", "organizations", "state"},
    "output": VOCABULARY | {"plan", "rules", "settings"},
    "cli": VOCABULARY
    | {"settings", "config", "rules", "plan", "readers", "organizations", "state", "output", "sync", "reading", "dn"},
}
PURE = ("rules", "plan", "model", "errors", "dn")
IMPURE = {
    "os",
    "sys",
    "time",
    "random",
    "socket",
    "logging",
    "subprocess",
    "pathlib",
    "requests",
    "ldap3",
    "sqlite3",
    "sqlalchemy",
    "click",
    "rich",
    "pydantic",
    "yaml",
}


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__main__.py" and p != PACKAGE / "__init__.py")


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the direction"
            found += [
                f"{node.module}.{alias.name}" if node.module == "dirconnector" else str(node.module)
                for alias in node.names
            ]
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_directions(path: Path) -> None:
    here = part(path)
    assert here in ALLOWED, f"a new part of the package: say in docs/architecture.md what it may import ({here})"
    for name in imports(path):
        words = name.split(".")
        if words[0] != "dirconnector" or len(words) < 2 or words[1] == "__version__":
            continue
        assert words[1] == here or words[1] in ALLOWED[here], f"{path.name} imports {name}"
        if here in ("readers", "organizations") and words[1] == here and len(words) > 2:
            mine = path.relative_to(PACKAGE).parts[1].removesuffix(".py")
            assert words[2] == mine or words[2] not in KINDS_OF[here], f"plug-ins never import each other: {name}"


KINDS_OF = {
    "readers": {"file", "ldap", "entra", "google", "onelogin", "okta"},
    "organizations": {"local", "bitwarden", "vaultwarden"},
}


@pytest.mark.parametrize("path", [p for p in modules() if part(p) in PURE], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_pure_parts_do_no_io(path: Path) -> None:
    assert not IMPURE.intersection(name.split(".")[0] for name in imports(path))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_file_needs_a_table_of_contents(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys\nsys.argv = ['dirsync', '--help']\nfrom dirconnector.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'pydantic', 'sqlalchemy', 'ldap3', 'rich', 'yaml', 'requests', 'msal', 'okta', 'googleapiclient', "
        "'sqlite3'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Usage:" in done.stdout


def test_nothing_of_the_tests_is_in_the_package() -> None:
    for path in modules():
        assert not any(name.split(".")[0] == "tests" for name in imports(path))
