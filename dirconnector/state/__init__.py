"""What is remembered between runs: history, journal of calls, last good snapshots, what we manage, and the
lock.

``State`` is in :mod:`dirconnector.state.store`, the lock of an organization in
:mod:`dirconnector.state.lock`, and what the methods return in :mod:`dirconnector.state.rows`. Only ``store``
and what it is made of import SQLAlchemy, which takes about 0.2 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dirconnector.state.store import State

__all__ = ["State"]


def __getattr__(name: str) -> object:
    # PEP 562: whoever only takes the lock, or only formats rows, does not pay for SQLAlchemy
    if name == "State":
        from dirconnector.state.store import State

        return State
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
