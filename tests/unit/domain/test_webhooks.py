"""What a webhook's URL may look like, and what is said of one that may not."""

import pytest

from chalicelib.domain.webhooks import BadUrlError, Target, parse_url


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", Target("https", "example.com", 443, "/", False)),
        ("HTTPS://Example.com./a/b?c=d", Target("https", "example.com", 443, "/a/b?c=d", False)),
        ("https://xn--bcher-kva.example:8443/x", Target("https", "xn--bcher-kva.example", 8443, "/x", False)),
        ("https://1.1.1.1/", Target("https", "1.1.1.1", 443, "/", True)),
        ("https://[2606:4700::1111]:1024/", Target("https", "2606:4700::1111", 1024, "/", True)),
    ],
)
def test_a_url_leads_to_a_host_a_port_and_a_path(url, target):
    assert parse_url(url) == target


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.com/", "begins with https://"),
        ("ftp://example.com/", "begins with https://"),
        ("example.com", "begins with https://"),
        ("https://", "names a host"),
        ("https:///path", "names a host"),
        ("https://-a.example/", "names a host"),
        ("https://a..example/", "names a host"),
        ("https://a_b!.example/", "names a host"),
        (f"https://{'a' * 64}.example/", "names a host"),
        ("https://user@example.com/", "no user"),
        ("https://:secret@example.com/", "no user"),
        ("https://example.com@evil.example/", "no user"),
        ("https://example.com/#part", "no #fragment"),
        ("https://example.com/#", "no #fragment"),
        ("https://example.com:22/", "443, or 1024"),
        ("https://example.com:0/", "443, or 1024"),
        ("https://example.com:99999/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://bücher.example/", "visible ASCII"),
        ("https://example.com/a b", "visible ASCII"),
        ("https://example.com/\r\nx: y", "visible ASCII"),
        ("https://example.com\\@evil.example/", "visible ASCII"),
        ("https://2130706433/", "four decimal numbers"),
        ("https://0x7f.0.0.1/", "four decimal numbers"),
        ("https://0177.0.0.1/", "four decimal numbers"),
        ("https://1.2.3.0x4/", "four decimal numbers"),
        ("https://1.2.3.256/", "four decimal numbers"),
        ("https://example.com/" + "a" * 2048, "at most 2048"),
    ],
)
def test_one_that_may_not_be_is_told_what_would_be_right(url, said):
    with pytest.raises(BadUrlError, match=said):
        parse_url(url)


def test_on_a_developers_machine_http_and_low_ports_may_be_too():
    assert parse_url("http://localhost:80/x", any_scheme=True) == Target("http", "localhost", 80, "/x", False)
