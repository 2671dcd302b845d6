"""docs/walkthrough.md, command by command, in one shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slapd
def test_walkthrough(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "walkthrough.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    # a copy of the checkout, so that nothing is left behind in the real one
    for name in ("tests", "examples", "dirconnector"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    script = "set -e\nset -m\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "\n".join(
        f"echo '##### {number}'\n{block}" for number, block in enumerate(blocks)
    )
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    parts = re.split(r"^##### \d+\n", done.stdout, flags=re.MULTILINE)[1:]
    dry_run, runs, calls, leaver = parts[2], parts[3], parts[4], parts[5]
    assert "Would invite" in dry_run
    assert "Nothing to do." in runs
    assert re.search(r"^ +1 POST /public/organization/import$", calls, re.MULTILINE)
    assert "Revoked 1 person" in leaver
    assert "ines.carvalho@example.org" in leaver
    assert not (tmp_path / "walkthrough").exists()
