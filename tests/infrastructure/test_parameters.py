"""The stages' values fit the template's parameters."""

from __future__ import annotations

import json
import re

from scripts.packaging.assemble import PROJECT, Assembled

GIVEN_AT_DEPLOYMENT = {"ArtifactBucket", "Version"}
GIVEN_BY_THE_PACKAGER = {"Stage", "DatabaseRevision"}


def test_a_stage_sets_only_parameters_that_there_are(stage, assembled):
    given = json.loads((PROJECT / "cfn/parameters" / f"{stage}.json").read_text())
    assert given.keys() <= assembled.template["Parameters"].keys() - GIVEN_BY_THE_PACKAGER - GIVEN_AT_DEPLOYMENT
    assert all(isinstance(value, str) for value in given.values())


def test_a_stage_sets_every_parameter_that_has_no_default(assembled: Assembled):
    needed = {name for name, one in assembled.template["Parameters"].items() if "Default" not in one}
    assert needed - assembled.parameters.keys() <= GIVEN_AT_DEPLOYMENT


def test_a_value_is_one_that_its_parameter_allows(assembled: Assembled):
    for name, value in assembled.parameters.items():
        parameter = assembled.template["Parameters"][name]
        assert value in map(str, parameter.get("AllowedValues", [value])), name
        assert re.fullmatch(parameter.get("AllowedPattern", ".*"), value), name
        if parameter["Type"] == "Number":
            assert parameter.get("MinValue", -1e9) <= float(value) <= parameter.get("MaxValue", 1e9), name
