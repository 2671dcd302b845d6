"""``python -m tests.emulators.google``: the emulator alone. Prints one line of JSON when it is ready."""

from __future__ import annotations

from collections.abc import Sequence

from tests.emulators.google.runner import GoogleEmulator
from tests.emulators.serving import arguments, run_alone


def main(argv: Sequence[str] | None = None) -> int:
    """Run until interrupted or terminated."""
    parser = arguments("google", __doc__)
    parser.add_argument("--per-minute", type=int, metavar="Q", help="queries per minute and user (default: no limit)")
    parser.add_argument("--minute-seconds", type=float, default=60.0, metavar="S", help="how long that minute lasts")
    options = parser.parse_args(argv)
    if (options.cert is None) != (options.key is None):
        parser.error("--cert and --key belong together")
    emulator = GoogleEmulator(
        port=options.port,
        cert=options.cert,
        key=options.key,
        users=options.users,
        groups=options.groups,
        seed=options.seed,
        latency_seconds=options.latency_ms / 1000,
    )
    emulator.quota.per_minute = options.per_minute
    emulator.quota.minute_seconds = options.minute_seconds
    return run_alone(emulator)


if __name__ == "__main__":
    raise SystemExit(main())
