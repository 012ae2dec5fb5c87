"""The template of a stage: Chalice's, merged with cfn/, rewritten, tagged, versioned, checked. No zip, no network."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.packaging.chalice_output import SOURCE, chalice_template
from scripts.packaging.checks.all import check_result, check_sources
from scripts.packaging.merge import Merged, merge
from scripts.packaging.parts import Location, read_part
from scripts.packaging.problems import PackagingError, Problem
from scripts.packaging.project import PROJECT
from scripts.packaging.rewrites import rewrite
from scripts.packaging.tags import inject_tags
from scripts.packaging.versions import set_code, source_digest

REVISION = "DatabaseRevision"  # a parameter that no stage sets: it follows chalicelib/migrations
PARAMETERS = "parameters"  # the folder of the stages' values in cfn/


@dataclass(frozen=True, slots=True)
class Assembled:
    """A stage's template before the SAM macro, and the values of its parameters.

    ``origins`` says of each leaf property which file (and line) it came from, ``owners`` which file defines a name.
    ``problems`` is empty unless the checks were told not to raise.
    """

    stage: str
    template: dict[str, Any]
    parameters: dict[str, str]
    origins: dict[Location, str]
    owners: dict[tuple[str, str], str]
    problems: tuple[Problem, ...] = field(default=())


def assemble(
    stage: str,
    *,
    project: Path = PROJECT,
    folder: Path | None = None,
    code_sha256: str | None = None,
    strict: bool = True,
) -> Assembled:
    """The template of ``stage``, the same for the same sources wherever it is made.

    ``folder`` holds the parts (the project's cfn/ unless given). ``code_sha256`` is the zip's digest; without one the
    digest of the zip's sources stands for it. Raises PackagingError with all problems, or with ``strict`` off returns
    them together with what could be made.
    """
    if str(project) not in sys.path:
        sys.path.insert(0, str(project))  # app.py
    folder = folder or project / "cfn"
    base = chalice_template(project, stage)
    parts = [read_part(path, f"{folder.name}/{path.name}") for path in sorted(folder.glob("*.yaml"))]
    merged = merge(base, SOURCE, parts)
    rewrite(merged)
    inject_tags(merged)
    parameters = read_parameters(folder, stage)
    if REVISION in merged.template.get("Parameters", {}):
        parameters[REVISION] = newest_revision(project)
    problems = check_sources(merged, parameters, f"{folder.name}/{PARAMETERS}/{stage}.json")
    if not problems:
        set_code(merged, parameters, code_sha256 or source_digest(project))
        problems = check_result(merged, parameters)
    if problems and strict:
        raise PackagingError(problems)
    return Assembled(stage, _in_order(merged), parameters, dict(merged.origins), dict(merged.owners), tuple(problems))


def read_parameters(folder: Path, stage: str) -> dict[str, str]:
    """The stage's values, all as text, with the stage itself."""
    path = folder / PARAMETERS / f"{stage}.json"
    where = f"{folder.name}/{PARAMETERS}/{path.name}"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PackagingError([Problem(where, stage, "there is no such file; it holds the stage's values")]) from None
    except ValueError as error:
        raise PackagingError([Problem(where, stage, f"is no JSON: {error}")]) from None
    return {"Stage": stage, **{name: str(value) for name, value in values.items()}}


def newest_revision(project: Path) -> str:
    """Of the database's schema, so that the template asks for the migration that its code was written for."""
    from alembic.script import ScriptDirectory  # slow, and only a template with a schema pays it

    return str(ScriptDirectory(str(project / "chalicelib/migrations")).get_current_head())


def _in_order(merged: Merged) -> dict[str, Any]:
    """Sections in the order in which templates are read; names in alphabetical order, wherever they were written."""
    template = merged.template
    first = ("AWSTemplateFormatVersion", "Transform", "Description", "Metadata", "Parameters", "Rules", "Mappings")
    order = (*first, "Conditions", "Globals", "Resources", "Outputs")
    return {
        section: dict(sorted(template[section].items())) if isinstance(template[section], dict) else template[section]
        for section in order
        if template.get(section)
    }
