"""What all tests share: one thread each, real data sets and a browser where they are, a Spark cluster in small."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Read by torch and numpy when they are first imported. Without it every process starts a thread a core, and
# two such processes on a busy machine slow each other down many times over.
for _pool in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_pool] = "1"
# As `import shortlist` sets it, but tests import torch before.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

# Commands record their runs where they are called, which would be the repository; tests of that turn it on.
os.environ["SHORTLIST_TRACKING"] = "0"

# Whoever starts the tests in the background leaves Ctrl-C ignored, and every process that a test starts inherits that.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: wall time on a shared machine says nothing. The same examples each time: a failure repeats.
settings.register_profile("shortlist", deadline=None, derandomize=True)
settings.load_profile("shortlist")

_REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """`real_data("ml-1m")` is the folder of that data set; where it is absent the test is skipped by name."""
    root = Path(os.environ.get("SHORTLIST_DATA", _REPOSITORY.parent / "shared" / "data"))

    def folder(name: str) -> Path:
        path = root / name
        if not path.is_dir():
            pytest.skip(f"{name} is not here: set SHORTLIST_DATA to the folder that holds it")
        return path

    return folder


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The name of an empty bucket on moto's server on this machine.

    The servers of one process share what they hold, so each test has its own.
    """
    moto = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    fsspec = pytest.importorskip("fsspec")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "SHORTLIST_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(name)
    yield name
    fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


# Not for the session: while Playwright runs, nothing else in the process can start an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a screen; where it or Playwright is absent the test is skipped by name."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not here: pip install playwright")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium on the PATH: install Debian's package chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


_CLUSTERS = ("spark_session", "standalone_master")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile` let one process have all files whose tests share a kind of Spark cluster.

    Two applications side by side are as much as memory and two cores bear. xdist 3.8 has groups for this, by a suffix
    of names that pytest 9.2 does not show it.
    """
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    def cluster_or_file(nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        text = (_REPOSITORY / file).read_text(encoding="utf-8")
        return next((cluster for cluster in _CLUSTERS if cluster in text), file)

    scheduler = LoadFileScheduling(config, log)
    scheduler._split_scope = cluster_or_file
    return scheduler


@pytest.fixture(scope="session")
def pyspark() -> Any:
    """The package; where it or Java is absent the test is skipped by name."""
    found = pytest.importorskip("pyspark", reason="PySpark is not installed: pip install 'shortlist[spark]'")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("Spark needs Java 17, and there is no java on the path")
    return found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB that every process of this machine sees; where it cannot be had the test is skipped."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "small-disk", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"a file system of a few pages needs root: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def spark_session(pyspark: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session with two executors, processes of their own; what works on Spark takes the running one."""
    from shortlist.cluster.session import open_session

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("SPARK_WORKER_DIR", str(tmp_path_factory.mktemp("executors")))
        _, session = open_session("local-cluster[2,1,1024]", "compute.spark_master")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def standalone_master(pyspark: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a standalone cluster's master with two workers of one core each: four processes beside the tests'."""
    from tests.standalone import running

    with running(Path(pyspark.__path__[0]), tmp_path_factory.mktemp("workers")) as master:
        yield master
