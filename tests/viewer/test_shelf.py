"""What is kept on disk for the next kernel: only what is of today's files, whole, and nobody else's."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from notebookviz.viewer import bundle
from notebookviz.viewer.shelf import Shelf


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bundle.smallest.cache_clear()
    return tmp_path / "cache" / "notebookviz"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.js"
    path.write_text("one")
    return path


def test_what_was_kept_is_found_until_a_source_changes(folder: Path, source: Path) -> None:
    assert Shelf("thing", [source]).get() is None
    Shelf("thing", [source]).put(b"made")
    assert Shelf("thing", [source]).get() == b"made"
    assert Shelf("other", [source]).get() is None
    assert folder.stat().st_mode & 0o777 == 0o700

    source.write_text("three")
    assert Shelf("thing", [source]).get() is None
    Shelf("thing", [source]).put(b"made again")
    assert Shelf("thing", [source]).get() == b"made again"
    assert len(list(folder.iterdir())) == 1

    facts = source.stat()
    os.utime(source, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    assert Shelf("thing", [source]).get() is None


def test_a_file_that_is_not_whole_is_not_used(folder: Path, source: Path) -> None:
    Shelf("thing", [source]).put(b"made")
    [path] = folder.iterdir()
    whole = path.read_bytes()
    for text in (whole[:-1], whole[:-1] + b"!", whole + b"!", whole[:10], b""):
        path.write_bytes(text)
        assert Shelf("thing", [source]).get() is None
    path.write_bytes(whole)
    assert Shelf("thing", [source]).get() == b"made"


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
def test_where_others_can_write_nothing_is_kept_and_nothing_is_used(folder: Path, source: Path) -> None:
    Shelf("thing", [source]).put(b"made")
    for mode in (0o770, 0o707):
        folder.chmod(mode)
        assert Shelf("thing", [source]).get() is None
        Shelf("thing", [source]).put(b"theirs")
    folder.chmod(0o755)
    assert Shelf("thing", [source]).get() == b"made"


@pytest.mark.skipif(os.name == "nt", reason="users have no numbers there")
def test_a_folder_of_another_user_is_not_used(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Shelf("thing", [source]).put(b"made")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert Shelf("thing", [source]).get() is None


def test_without_a_place_nothing_is_kept(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(source))  # a file stands there
    Shelf("thing", [source]).put(b"made")
    assert Shelf("thing", [source]).get() is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", _nobody)
    Shelf("thing", [source]).put(b"made")
    assert Shelf("thing", [source]).get() is None


def _nobody() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_a_first_kernel_presses_quickly_and_the_next_finds_the_smallest(tmp_path: Path) -> None:
    first = bundle.soon()
    smallest = bundle.smallest()
    assert len(smallest) < len(first)
    assert gzip.decompress(smallest) == gzip.decompress(first)
    assert bundle.soon() == smallest
    assert sum(path.stat().st_size for path in tmp_path.rglob("bundle-*")) < 1 << 18


def test_the_bundle_is_of_all_that_the_page_and_the_panel_are_made_of() -> None:
    names = {path.name for path in bundle._sources()}
    assert {
        "page.py",
        "packer.py",
        "panel.js",
        "page.js",
        "panel.css",
        "page.css",
        "view.js",
        "dagre.js",
        "index.html",
    } <= names
