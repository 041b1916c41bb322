"""Hosts and origins."""

import pytest

from notebookviz.serving.origins import Origins


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "localhost:8888", "LOCALHOST", "[::1]:9"])
def test_loopback_hosts_are_allowed(host):
    assert Origins().host_allowed(host)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "127.0.0.1@evil.example",
     "evil.example/127.0.0.1", "127.0.0.1:port", "127.0.0.2", "[::1", "localhost:80:80"],
)  # fmt: skip
def test_other_hosts_are_refused(host):
    assert not Origins().host_allowed(host)


@pytest.mark.parametrize("origin", [None, "http://localhost:8888", "https://127.0.0.1"])
def test_loopback_origins_are_allowed(origin):
    assert Origins().origin_allowed(origin)


@pytest.mark.parametrize("origin", ["null", "", "https://evil.example", "file://", "http://127.0.0.1.evil.example"])
def test_other_origins_are_refused(origin):
    assert not Origins().origin_allowed(origin)


def test_a_named_origin_is_allowed_with_its_own_port_and_scheme_only():
    origins = Origins()
    origins.add("https://Hub.example.org")
    assert origins.host_allowed("hub.example.org")
    assert origins.origin_allowed("https://hub.example.org")
    assert origins.origin_allowed("https://hub.example.org:443")
    assert not origins.origin_allowed("http://hub.example.org")
    assert not origins.origin_allowed("https://hub.example.org:8443")
    assert not origins.host_allowed("hub.example.org:8443")


@pytest.mark.parametrize("origin", ["null", "javascript:alert(1)", "https://", "https://a b", "https://a/path"])
def test_what_is_no_origin_is_not_added(origin):
    origins = Origins()
    origins.add(origin)
    assert not origins.origin_allowed(origin)
