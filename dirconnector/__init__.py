"""Keeps a Bitwarden organization equal to what one or more directories say."""

__version__ = "0.1.0"
