"""Text on stdout. The one place that imports rich for results, and only when text is wanted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dirconnector.cli.options import Shared

if TYPE_CHECKING:
    from dirconnector.output.text import Screen


def screen(shared: Shared) -> Screen:
    """Stdout, with colours where they are wanted and can be shown."""
    from dirconnector.output.text import Screen

    return Screen(sys.stdout, color=not shared.no_color)
