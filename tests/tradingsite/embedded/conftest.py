"""Folders and clusters of their own for the tests of the embedded services."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tradingsite.embedded.cluster import Cluster, start_cluster
from tradingsite.embedded.testing import temporary_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return an empty folder that PostgreSQL's account may pass through."""
    path = temporary_folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Return running services shared by the tests of one file."""
    path = temporary_folder()
    running = start_cluster(path / "data")
    yield running
    running.remove()
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def as_root() -> None:
    """Skip where we are an ordinary user: only root changes accounts."""
    if os.geteuid() != 0:
        pytest.skip("only root runs PostgreSQL as another account")
