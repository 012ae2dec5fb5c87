"""API keys cannot be guessed and are kept only as hashes."""

from chalicelib.domain.keys import MAX_KEY_LENGTH, PREFIX, hash_key, new_key


def test_a_key_says_whose_it_is_and_never_repeats():
    keys = {new_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert all(key.startswith(PREFIX) and len(key) == len(PREFIX) + 32 <= MAX_KEY_LENGTH for key in keys)


def test_a_hash_is_the_sha256_of_the_key():
    assert hash_key("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
