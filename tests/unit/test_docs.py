"""The documentation says what the code does."""

import re
from pathlib import Path

import pytest

from chalicelib import errors
from chalicelib.errors import DefiStreamError

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"
ROW = re.compile(r"^\| (\d{4}) \| `(\w+)` \| (.+) \| (.+) \|$", re.MULTILINE)
CODES = {
    kind.code: kind.name
    for kind in vars(errors).values()
    if isinstance(kind, type)
    and issubclass(kind, DefiStreamError)
    and kind.name not in ("internal", "settings", "schema", "rotation", "source", "poison")  # no client ever sees these
}


@pytest.fixture(scope="module")
def documented():
    return {int(code): (name, cause, cure) for code, name, cause, cure in ROW.findall(PROTOCOL.read_text())}


def test_every_code_is_documented_and_no_other(documented):
    assert set(documented) == set(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_its_name_a_cause_and_a_cure(documented, code):
    name, cause, cure = documented[code]
    assert name == CODES[code]
    assert len(cause) > 5
    assert len(cure) > 5
