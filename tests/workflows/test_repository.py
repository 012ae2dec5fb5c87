"""The clone that a run works in is the working tree as it stands, and commits in it are pushed to its own remote."""

from __future__ import annotations

import subprocess

import pytest

from scripts.workflows.repository import BRANCH, Repository


def git(where, *words):
    settings = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *settings, *words], cwd=where, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "some-branch")
    for name in ("kept", "changed", "gone"):
        (folder / name).write_text("as committed")
    (folder / ".gitignore").write_text("ignored\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "first")
    (folder / "changed").write_text("since")
    (folder / "gone").unlink()
    (folder / "new").write_text("new")
    (folder / "ignored").write_text("not ours")
    (folder / "staged").write_text("staged")
    git(folder, "add", "staged")
    return folder


@pytest.fixture
def repository(tmp_path, project):
    found = Repository(tmp_path)
    found.take(project)
    return found


def files_of(repository):
    listed = git(repository.remote, "ls-tree", "--name-only", BRANCH).split()
    return {name: git(repository.remote, "show", f"{BRANCH}:{name}") for name in listed}


def test_the_remote_has_what_is_not_committed_too_and_nothing_that_is_ignored(repository):
    assert files_of(repository) == {
        ".gitignore": "ignored\n",
        "changed": "since",
        "kept": "as committed",
        "new": "new",
        "staged": "staged",
    }


def test_the_project_itself_is_left_alone(project, repository):
    assert git(project, "log", "--format=%s").split() == ["first"]
    assert git(project, "status", "--porcelain").split("\n")[0] == " M changed"


def test_a_commit_reaches_the_remote(repository):
    before = repository.head()
    after = repository.commit("more", lambda work: (work / "kept").write_text("more"))
    assert after == git(repository.remote, "rev-parse", BRANCH).strip() != before
    assert files_of(repository)["kept"] == "more"
