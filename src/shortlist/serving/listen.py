"""Taking the port before anything else: every worker shares it."""

from __future__ import annotations

import errno
import socket

from shortlist.core.errors import EnvironmentFault

WAITING = 2048
"""Connections that may wait to be accepted."""


def listen_on(host: str, port: int) -> socket.socket:
    """A listening socket, which every worker then shares."""
    if not 0 <= port < 2**16:
        raise EnvironmentFault(f"cannot listen on port {port}: ports are 0 to 65535. Choose another one with --port")
    taken: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        # Until a socket listens, Linux lets another process bind the same address.
        taken.listen(WAITING)
    except OSError as error:
        if taken is not None:
            taken.close()
        raise EnvironmentFault(_address_text(host, port, error)) from error
    return taken


def _address_text(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is taken by another process. "
            "Choose another one with --port, or --port 0 for any that is free"
        )
    return f"cannot listen on {host}:{port}: {error.strerror}. Choose another address with --host and --port"
