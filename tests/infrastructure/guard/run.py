"""Run by the checks' own Python: {"rules": by file, "templates": by name} as JSON in, cfn-guard's reports out."""

import json
import re
import sys

import guardpycfn


def report(template, rules):
    answer = guardpycfn.validate_with_guard(template, rules)
    if not answer["success"]:
        sys.exit(f"cfn-guard: {answer['error']}")
    result = answer["result"]
    return whole(result, rules) if isinstance(result, str) else result


def whole(end, rules):
    """guardpycfn 0.1 hands only the end of a long report over, as text: which rules hold is still in it."""
    known = json.loads("{" + end[end.rindex('"not_applicable"') :])
    held = {*known["not_applicable"], *known["compliant"]}
    names = re.findall(r"^rule (\w+)", rules, re.MULTILINE)
    return {**known, "not_compliant": [{"Rule": {"name": name, "checks": []}} for name in names if name not in held]}


asked = json.load(sys.stdin)
json.dump(
    {name: [report(body, rules) for rules in asked["rules"].values()] for name, body in asked["templates"].items()},
    sys.stdout,
)
