"""``python -m tests.emulators.entra``: an emulator that runs alone. Prints one line of JSON when it is ready."""

from __future__ import annotations

from collections.abc import Sequence

from tests.emulators.entra.service import EntraEmulator
from tests.emulators.serving import arguments, run_alone


def main(argv: Sequence[str] | None = None) -> int:
    """Run until interrupted or terminated."""
    given = arguments("entra", __doc__).parse_args(argv)
    service = EntraEmulator(
        users=given.users,
        groups=given.groups,
        seed=given.seed,
        port=given.port,
        cert=given.cert,
        key=given.key,
        latency_seconds=given.latency_ms / 1000,
    )
    return run_alone(service)


if __name__ == "__main__":
    raise SystemExit(main())
