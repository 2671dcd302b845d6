"""Emulators of hosted services that cannot be installed: wire-faithful, over TLS, with faults to inject and
calls to count.

They are built from what the services document and from what their source shows, never from what a client of
ours happens to need.
"""
