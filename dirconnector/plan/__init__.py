"""From two sides to a finished plan: match, diff, limits, forecast. Pure: no I/O, no clock, no randomness."""
