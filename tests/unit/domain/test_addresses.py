"""Whom an address stands for."""

import pytest

from chalicelib.domain.addresses import party_of, viewer_of


@pytest.mark.parametrize(
    ("address", "party"),
    [
        ("198.51.100.10", "198.51.100.10"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.10", "198.51.100.10"),
        ("nonsense", "nonsense"),
        ("x" * 500, "x" * 64),
    ],
)
def test_an_ipv6_customer_is_a_network_of_64_bits(address, party):
    assert party_of(address) == party


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("198.51.100.10:46532", "198.51.100.10"),
        ("2001:0db8:85a3:0:0:8a2e:0370:7334:443", "2001:0db8:85a3:0:0:8a2e:0370:7334"),
        ("[2001:db8::1]:443", "2001:db8::1"),
    ],
)
def test_a_viewers_address_is_told_without_its_port(header, address):
    assert viewer_of(header) == address
