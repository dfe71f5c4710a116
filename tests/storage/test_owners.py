from __future__ import annotations

import os
from pathlib import Path

from storage.owners import Owner


def test_an_owner_lives_from_claim_to_release(tmp_path: Path) -> None:
    one, two = Owner(tmp_path / "x.db"), Owner(tmp_path / "x.db")
    assert not two.alive(one.name)
    one.claim()
    two.claim()
    assert two.alive(one.name)
    assert one.alive(two.name)
    one.release()
    assert not two.alive(one.name)
    assert one.alive(two.name)
    two.release()
    assert list(tmp_path.iterdir()) == []


def test_files_of_dead_owners_are_removed_and_others_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "x.db-owner-dead").touch()
    (tmp_path / "y.db-owner-other").touch()
    (tmp_path / "x.db").touch()
    living, new = Owner(tmp_path / "x.db"), Owner(tmp_path / "x.db")
    living.claim()
    new.claim()
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {"x.db", "y.db-owner-other", f"x.db-owner-{living.name}", f"x.db-owner-{new.name}"}
    living.release()
    new.release()


def test_a_name_that_is_no_file_name_is_nobody(tmp_path: Path) -> None:
    owner = Owner(tmp_path / "x.db")
    owner.claim()
    assert not owner.alive("nobody")
    assert not owner.alive("")
    owner.release()
    assert os.listdir(tmp_path) == []  # noqa: PTH208
