"""``python -m tests.traps.forking``: runs ``dirsync -c CONFIG run`` in a child for each line ``CONFIG`` on stdin.

Everything is imported before, so that a run begins at once. Says ``{"pid": N}`` when a run begins and, asked with one
more line, waits for its end and says ``{"code": N}``, 137 when it was killed. Until then the pid belongs to it.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module

from dirconnector.cli import main as dirsync

USED = (
    "dirconnector.cli.run",
    "dirconnector.sync",
    "dirconnector.readers.file",
    "dirconnector.organizations.bitwarden",
)


def child(config: str) -> int:
    """One run, in a process of its own."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    sys.argv = ["dirsync", "-c", config, "--quiet", "run"]
    try:
        dirsync()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def main() -> None:
    while config := sys.stdin.readline().strip():
        pid = os.fork()
        if not pid:
            os._exit(child(config))
        print(json.dumps({"pid": pid}), flush=True)
        sys.stdin.readline()
        _, status = os.waitpid(pid, 0)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        print(json.dumps({"code": code}), flush=True)


if __name__ == "__main__":
    for module in USED:
        import_module(module)
    main()
