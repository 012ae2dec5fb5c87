"""What localcloud takes of a stage's template."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.holdings import cut, holdings
from scripts.packaging.assemble import Assembled, assemble


@pytest.fixture(scope="module")
def assembled() -> Assembled:
    return assemble("dev")


def test_what_localcloud_creates_is_what_is_packaged_but_for_tags(assembled: Assembled) -> None:
    """It reads the hand-written parts alone, to start sooner."""

    def untagged(resource: dict[str, Any]) -> dict[str, Any]:
        properties = {key: value for key, value in resource["Properties"].items() if key != "Tags"}
        return {**resource, "Properties": properties}

    read, packaged = holdings("dev"), cut(assembled.template, assembled.parameters)
    assert {name: untagged(entry) for name, entry in read.template["Resources"].items()} == {
        name: untagged(entry) for name, entry in packaged.template["Resources"].items()
    }
    assert read.template["Conditions"] == packaged.template["Conditions"]
    assert read.template["Outputs"] == packaged.template["Outputs"]
    assert read.parameters == {name: packaged.parameters[name] for name in read.parameters}


def test_a_parameter_that_is_none_of_the_template_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="Nonsense"):
        holdings().with_values({"Nonsense": "1"})
