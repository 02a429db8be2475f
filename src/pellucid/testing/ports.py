"""Ports for servers that must come back at the address that they had."""

import random
import socket

# Below those that systems lend to outgoing connections, which would take it between two starts.
_FIRST, _LAST = 20_000, 32_000


def free_port() -> int:
    """Return a port of loopback that nobody has, and that nobody is given by chance."""
    chance = random.SystemRandom()
    while True:
        port = chance.randint(_FIRST, _LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
