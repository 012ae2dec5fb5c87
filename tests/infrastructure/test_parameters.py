"""What a stage sets is for a stage to set. That it fits its parameter is a check of the packager's."""

from __future__ import annotations

import json

from scripts.packaging.project import PROJECT

GIVEN_AT_DEPLOYMENT = {"ArtifactBucket", "Version"}
GIVEN_BY_THE_PACKAGER = {"Stage", "DatabaseRevision"}


def test_a_stage_sets_only_parameters_that_there_are(stage, assembled):
    given = json.loads((PROJECT / "cfn/parameters" / f"{stage}.json").read_text())
    assert given.keys() <= assembled.template["Parameters"].keys() - GIVEN_BY_THE_PACKAGER - GIVEN_AT_DEPLOYMENT
    assert all(isinstance(value, str) for value in given.values())
