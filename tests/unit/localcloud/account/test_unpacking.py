"""A function's zip, unpacked once for all its workers."""

from __future__ import annotations

import zipfile
from pathlib import Path

from localcloud.account.ministack.unpacking import Unpacked, linked


def packed(path: Path, **files: str) -> zipfile.ZipFile:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/") + ".py", text)
    return zipfile.ZipFile(path)


def test_the_same_zip_is_unpacked_once(tmp_path: Path) -> None:
    unpacked = Unpacked(tmp_path)
    with packed(tmp_path / "a.zip", app="1") as one, packed(tmp_path / "b.zip", app="1") as same:
        assert unpacked.folder(one) == unpacked.folder(same)


def test_another_zip_has_a_folder_of_its_own(tmp_path: Path) -> None:
    unpacked = Unpacked(tmp_path)
    with packed(tmp_path / "a.zip", app="1") as one, packed(tmp_path / "b.zip", app="2") as other:
        assert (unpacked.folder(one) / "app.py").read_text() == "1"
        assert (unpacked.folder(other) / "app.py").read_text() == "2"


def test_a_worker_sees_all_of_it_and_leaves_what_it_compiles_to_the_next(tmp_path: Path) -> None:
    unpacked, worker = Unpacked(tmp_path), tmp_path / "worker"
    worker.mkdir()
    with packed(tmp_path / "a.zip", app="1", lib__part="2") as archive:
        folder = unpacked.folder(archive)
        linked(folder, worker)
    assert (worker / "lib" / "part.py").read_text() == "2"
    (worker / "__pycache__" / "app.pyc").write_text("compiled")
    assert (folder / "__pycache__" / "app.pyc").exists()
