"""Every figure of ``make bench``: per size, in one run, on one server, with ratios to what ``ldapsearch`` takes."""

from __future__ import annotations

import datetime
import json
import os
import platform
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.generate import BASE, Shape, changes, ldif
from benchmarks.measure import Figures, median, once
from dirconnector.organizations.routes import CLOUD
from tests.servers.slapd import Slapd

HERE = Path(__file__).parent
ATTRIBUTES = ["entryUUID", "mail", "cn", "displayName", "uid", "pwdAccountLockedTime", "member"]
READS = 3
BITWARDEN_UP_TO = 50_000
FLOOR = "ldapsearch to a file (the floor)"


def requests_of(server: Slapd) -> Callable[[], int]:
    """A function that counts the searches the server has answered, its own question left out."""
    asked = 0

    def count() -> int:
        nonlocal asked
        asked += 1
        command = ["ldapsearch", "-LLL", "-x", "-H", server.url, "-D", server.bind_dn, "-w", server.password]
        command += ["-s", "base", "-b", "cn=Search,cn=Operations,cn=Monitor", "monitorOpCompleted"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return int(text.partition("monitorOpCompleted: ")[2].split()[0]) - asked + 1

    return count


LOCAL: Mapping[str, object] = {"kind": "local", "path": "organization.db"}


def config_for(server: Slapd, folder: Path, organization: Mapping[str, object] = LOCAL) -> Path:
    """The config that every dirsync command of the benchmark uses: no limits are lifted, nothing is tuned."""
    (folder / "password").write_text(server.password)
    config = {
        "directories": {
            "bench": {
                "kind": "ldap",
                "url": server.url,
                "bind_dn": server.bind_dn,
                "password": {"file": "password"},
                "users": {"base": BASE},
                "groups": {"base": BASE},
            }
        },
        "organization": dict(organization),
        "state": {"url": "sqlite:///state.db"},
    }
    path = folder / "dirsync.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def measure(users: int, folder: Path) -> tuple[dict[str, Figures], dict[str, dict[str, int]]]:
    """All figures for one size, and what was asked of the Bitwarden emulator in each run."""
    shape = Shape(users)
    monitor = ("moduleload back_monitor", "database monitor", "access to * by * read")
    with Slapd("".join(ldif(shape)), lines=monitor) as server:
        config = config_for(server, folder)
        dirsync = [sys.executable, "-m", "dirconnector", "--config", str(config), "--quiet"]
        login = ["-x", "-H", server.url, "-D", server.bind_dn, "-w", server.password, "-b", BASE]
        people = "(|(objectClass=inetOrgPerson)(objectClass=groupOfNames))"
        commands = {
            FLOOR: ["ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-E", "pr=1000/noprompt", *login, people, *ATTRIBUTES],
            "bare ldap3 loop": [
                sys.executable,
                str(HERE / "bare_ldap3.py"),
                *(server.url, server.bind_dn, server.password, BASE),
                *ATTRIBUTES,
            ],
            "dirsync snapshot --json": [*dirsync, "snapshot", "--json"],
            "dirsync run --dry-run": [*dirsync, "run", "--dry-run"],
        }
        output, requests = folder / "output", requests_of(server)
        once(commands[FLOOR], output=output, requests=requests)  # the server's cache is warm for everybody
        rounds = [
            {name: once(command, output=output, requests=requests) for name, command in commands.items()}
            for _ in range(READS)
        ]
        figures = {name: median([each[name] for each in rounds]) for name in commands}
        run = [*dirsync, "run"]
        figures["first dirsync run"] = once(run, output=output, requests=requests)
        idle = [once(run, output=output, requests=requests) for _ in range(READS)]
        assert "Nothing to do" in output.read_text(), "the second run must find nothing to do"
        figures["dirsync run, nothing to do"] = median(idle)
        with ExitStack() as stack:
            target = stack.enter_context(emulated_bitwarden()) if users <= BITWARDEN_UP_TO else None
            calls: dict[str, dict[str, int]] = {}

            def towards_bitwarden(name: str) -> None:
                if target is not None:
                    figures[f"bitwarden: {name}"], calls[name] = target.run(server, folder / "bitwarden", requests)

            towards_bitwarden("first run")
            towards_bitwarden("nothing to do")
            server.modify("".join(changes(shape)))
            figures["dirsync run, 1 % changed"] = once(run, output=output, requests=requests)
            towards_bitwarden("1 % changed")
    return figures, calls


@dataclass(frozen=True)
class Emulated:
    """A Bitwarden emulator in a process of its own."""

    url: str
    ca_file: str
    organization: Mapping[str, object]
    env: Mapping[str, str]

    def run(self, server: Slapd, folder: Path, requests: Callable[[], int]) -> tuple[Figures, dict[str, int]]:
        """``dirsync run`` from ``server`` to the emulator; its figures and what it asked for."""
        folder.mkdir(exist_ok=True)
        config = config_for(server, folder, self.organization)
        os.environ.update(self.env)
        self._calls("DELETE")
        command = [sys.executable, "-m", "dirconnector", "--config", str(config), "--quiet", "run"]
        figures = once(command, output=folder / "output", requests=requests)
        return figures, self._calls("GET")

    def _calls(self, method: str) -> dict[str, int]:
        context = ssl.create_default_context(cafile=self.ca_file)
        request = urllib.request.Request(f"{self.url}/_emulator/calls", method=method)
        with urllib.request.urlopen(request, context=context) as answer:
            return dict(sorted(json.load(answer).items()))


@contextmanager
def emulated_bitwarden() -> Iterator[Emulated]:
    """An emulator of a self-hosted server, which has no limits of its own."""
    command = [sys.executable, "-m", "tests.emulators.bitwarden"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Emulated(**json.loads(process.stdout.readline()))
        finally:
            process.terminate()


def minutes_on_the_cloud(calls: Mapping[str, int]) -> float:
    """Minutes that these requests take at the pace of Bitwarden's cloud: 60 writes and 200 reads a minute."""
    reads = sum(number for call, number in calls.items() if call.startswith("GET "))
    writes = sum(calls.values()) - reads - sum(n for call, n in calls.items() if call.endswith("/connect/token"))
    return max(CLOUD.seconds(reads=reads, writes=writes), 0.0) / 60


def calls_table(results: dict[int, dict[str, dict[str, int]]]) -> str:
    """A Markdown table of the requests to Bitwarden."""
    lines = ["| users | run | requests | minutes at the cloud's pace |", "|---:|---|---|---:|"]
    for users, runs in results.items():
        for name, calls in runs.items():
            words = ", ".join(f"{call}: {number}" for call, number in calls.items())
            lines.append(f"| {users:,} | {name} | {words} | {minutes_on_the_cloud(calls):.1f} |")
    return "\n".join(lines)


def table(results: dict[int, dict[str, Figures]]) -> str:
    """A Markdown table with ratios to the floor of the same size."""
    lines = [
        "| users | what | wall s | ratio | client CPU s | ratio | peak MiB | searches |",
        "|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for users, figures in results.items():
        floor = figures[FLOOR]
        for name, f in figures.items():
            lines.append(
                f"| {users:,} | {name} | {f.wall:.2f} | {f.wall / floor.wall:.1f} "
                f"| {f.cpu:.2f} | {f.cpu / floor.cpu:.1f} | {f.peak:.0f} | {f.requests} |"
            )
    return "\n".join(lines)


def machine() -> str:
    """Date and machine, in one line."""
    cpu = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "?",
    )
    today = datetime.datetime.now(datetime.UTC).date()
    return f"{today}, {os.cpu_count()} cores ({cpu}), Python {platform.python_version()}, {platform.platform()}"


def main() -> None:
    """Measure the sizes named on the command line; print the table and write ``benchmarks/results.json``."""
    sizes = [int(size) for size in sys.argv[1:]] or [1_000, 10_000, 50_000, 200_000]
    results: dict[int, dict[str, Figures]] = {}
    calls: dict[int, dict[str, dict[str, int]]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="dirsync-bench-") as folder:
            results[size], calls[size] = measure(size, Path(folder))
        print(table({size: results[size]}), flush=True)
        print()
    document = {
        "machine": machine(),
        "results": {str(size): {n: f.as_json() for n, f in figures.items()} for size, figures in results.items()},
        "bitwarden": {str(size): runs for size, runs in calls.items()},
    }
    (HERE / "results.json").write_text(json.dumps(document, indent=2) + "\n")
    print(f"{machine()}\n\n{table(results)}\n\n{calls_table(calls)}")


if __name__ == "__main__":
    main()
