"""Tests of the emulators themselves: each quotes the documented fact that it checks."""
