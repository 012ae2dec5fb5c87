"""A repository of its own for a run: a remote on this machine, and a clone with what is not committed yet."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

NAME = "acme/defi-stream"  # as GitHub would call it
BRANCH = "main"
_SOMEBODY = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false")


class Repository:
    """``work`` is the clone in which commits are made, ``remote`` what workflows check out."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.remote = folder / "remote.git"

    def take(self, project: Path) -> str:
        """Clone ``project`` as it stands, uncommitted and new files included; returns the commit."""
        _git(project, "clone", "--quiet", "--no-local", str(project), str(self.work))
        self._bring_what_is_not_committed(project)
        self._git("checkout", "--quiet", "-B", BRANCH)
        _git(self.work.parent, "init", "--quiet", "--bare", str(self.remote))
        self._git("remote", "set-url", "origin", f"https://github.com/{NAME}")
        return self._publish("As the working tree is")

    def commit(self, message: str, change: Callable[[Path], None]) -> str:
        """Change the clone's files and push it, as a merge to main would; returns the commit."""
        change(self.work)
        return self._publish(message)

    def head(self) -> str:
        return self._git("rev-parse", "HEAD").strip()

    def _publish(self, message: str) -> str:
        self._git("add", "--all")
        self._git(*_SOMEBODY, "commit", "--quiet", "--allow-empty", "--no-verify", "--message", message)
        self._git("push", "--quiet", str(self.remote), BRANCH)
        return self.head()

    def _bring_what_is_not_committed(self, project: Path) -> None:
        listed = _git(project, "ls-files", "-z", "--modified", "--others", "--deleted", "--exclude-standard")
        for name in filter(None, set(listed.split("\0"))):
            source, target = project / name, self.work / name
            if source.is_symlink() or source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
            else:
                target.unlink(missing_ok=True)
        staged = _git(project, "diff", "--cached", "--name-only", "-z", "--diff-filter=AMR")
        for name in filter(None, staged.split("\0")):
            if (project / name).is_file():
                (self.work / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(project / name, self.work / name)

    def _git(self, *words: str) -> str:
        return _git(self.work, *words)


def _git(where: Path, *words: str) -> str:
    """Without the caller's own settings, which might sign, hook or ask."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(["git", *words], cwd=where, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
