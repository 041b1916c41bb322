"""Who may talk to the loopback server: hosts and origins by name."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_NAME: Final = re.compile(r"[\w.:-]+", re.ASCII)


class Origins:
    """The names under which the server may be reached.

    Loopback names always count.  Others, such as that of a Jupyter server that proxies to us, count once the
    notebook's own page has named them over the comm.

    Example:
        >>> origins = Origins()
        >>> origins.host_allowed("hub.example.org")
        False
        >>> origins.add("https://hub.example.org")
        >>> origins.host_allowed("hub.example.org"), origins.origin_allowed("https://hub.example.org")
        (True, True)
    """

    def __init__(self) -> None:
        self._named: set[str] = set()

    def add(self, origin: str) -> None:
        """Allow a web origin such as ``https://hub.example.org:8443``; anything else is ignored."""
        parts = _split(origin)
        if parts is not None:
            self._named.add(f"{parts[0]}://{parts[2]}")

    def host_allowed(self, host: str) -> bool:
        """Whether a Host header names us."""
        parts = _split(f"http://{host}")
        if parts is None:
            return False
        return parts[1] in LOOPBACK or any(parts[2] == known.partition("://")[2] for known in self._named)

    def origin_allowed(self, origin: str | None) -> bool:
        """Whether an Origin header is one of ours; a missing one (not a browser's cross-site request) is."""
        if origin is None:
            return True
        parts = _split(origin)
        if parts is None:
            return False
        return parts[1] in LOOPBACK or f"{parts[0]}://{parts[2]}" in self._named


def _split(origin: str) -> tuple[str, str, str] | None:
    """Scheme, host name and ``host[:port]`` of an http(s) origin, in lower case."""
    try:
        parts = urlsplit(origin)
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    if "@" in parts.netloc or parts.path or parts.query:
        return None
    if parts.scheme not in {"http", "https"} or name is None or not _NAME.fullmatch(name):
        return None
    shown = f"[{name}]" if ":" in name else name
    standard = {"http": 80, "https": 443}[parts.scheme]
    return parts.scheme, name, shown if port in {None, standard} else f"{shown}:{port}"
