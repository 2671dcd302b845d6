"""``python -m tests.emulators.bitwarden``: an emulator that runs alone. Prints one line of JSON when it is
ready.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from collections.abc import Sequence

from tests.emulators.bitwarden.runner import BitwardenEmulator


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.emulators.bitwarden", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--cert", metavar="FILE", help="PEM certificate, its own CA (default: of a private CA)")
    parser.add_argument("--key", metavar="FILE", help="PEM key of --cert")
    parser.add_argument("--vaultwarden", action="store_true", help="be a Vaultwarden server")
    parser.add_argument("--cloud", action="store_true", help="be the cloud: rate limits, import cap, autoscaling")
    parser.add_argument("--latency-ms", type=float, default=0.0, metavar="L", help="every answer takes this long")
    parser.add_argument("--members", type=int, default=0, metavar="N", help="confirmed members beside the owner")
    parser.add_argument(
        "--minute-seconds", type=float, default=60.0, metavar="S", help="how long a minute of the limits lasts"
    )
    arguments = parser.parse_args(argv)
    if arguments.cloud and arguments.vaultwarden:
        parser.error("there is no cloud of Vaultwarden: give one of --cloud, --vaultwarden")
    if (arguments.cert is None) != (arguments.key is None):
        parser.error("--cert and --key belong together")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run until interrupted or terminated."""
    options = vars(_arguments(argv))
    options["latency_seconds"] = options.pop("latency_ms") / 1000
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with BitwardenEmulator(**options) as emulator:
        ready = {
            "url": emulator.url,
            "ca_file": str(emulator.ca_file),
            "organization": emulator.organization,
            "env": emulator.env,
        }
        print(json.dumps(ready), flush=True)
        ended.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
