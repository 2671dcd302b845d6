"""``python -m tests.emulators.okta``: an emulator that runs alone. Prints one line of JSON when it is ready."""

from __future__ import annotations

from collections.abc import Sequence

from tests.emulators.okta import Limits, OktaEmulator
from tests.emulators.serving import arguments, run_alone


def main(argv: Sequence[str] | None = None) -> int:
    """Run until interrupted or terminated."""
    parser = arguments("okta", __doc__)
    parser.add_argument("--limits", choices=("workforce", "developer"), help="enforce the rate limits of this plan")
    parser.add_argument("--minute-seconds", type=float, default=60.0, metavar="S", help="how long their minute lasts")
    given = parser.parse_args(argv)
    if (given.cert is None) != (given.key is None):
        parser.error("--cert and --key belong together")
    return run_alone(
        OktaEmulator(
            users=given.users,
            groups=given.groups,
            seed_number=given.seed,
            limits=Limits(plan=given.limits or "workforce", enforced=bool(given.limits), minute=given.minute_seconds),
            port=given.port,
            cert=given.cert,
            key=given.key,
            latency_seconds=given.latency_ms / 1000,
        )
    )


if __name__ == "__main__":
    raise SystemExit(main())
