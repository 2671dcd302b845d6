"""``python -m tests.emulators.onelogin``: an emulator that runs alone. Prints one line of JSON when it is ready."""

from __future__ import annotations

from collections.abc import Sequence

from tests.emulators.onelogin.service import OneLoginEmulator
from tests.emulators.onelogin.state import SCOPES
from tests.emulators.serving import arguments, run_alone


def main(argv: Sequence[str] | None = None) -> int:
    """Run until interrupted or terminated."""
    parser = arguments("onelogin", __doc__)
    parser.add_argument("--scope", choices=SCOPES, default="read_all", help="of the API credential")
    parser.add_argument("--calls-per-hour", type=int, default=5000, metavar="C", help="the quota; 0: none")
    parser.add_argument("--hour-seconds", type=float, default=3600.0, metavar="S", help="how long its hour lasts")
    given = parser.parse_args(argv)
    if (given.cert is None) != (given.key is None):
        parser.error("--cert and --key belong together")
    options = vars(given)
    options["latency_seconds"] = options.pop("latency_ms") / 1000
    scope = options.pop("scope")
    emulator = OneLoginEmulator(**options)
    emulator.restrict(scope)
    return run_alone(emulator)


if __name__ == "__main__":
    raise SystemExit(main())
