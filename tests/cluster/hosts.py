"""Hosts in small: each a network of its own with its own name and processes, on one link, with one file system."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.standalone import waited_for

NETWORK = "10.98.76"
NAMES = ("host-a", "host-b")
WIRE = "wire"


@dataclass(frozen=True)
class Host:
    """Namespaces of the kernel, which end with the first process in them."""

    name: str
    address: str
    first: int
    """That process, as the machine numbers it."""

    def inside(self, command: Sequence[str]) -> list[str]:
        """A command as this host runs it."""
        return ["nsenter", f"--target={self.first}", "--net", "--uts", "--mount", "--pid", *command]

    def run(self, *command: str) -> None:
        """Run it to its end."""
        subprocess.run(self.inside(command), check=True, capture_output=True)

    def hears(self, port: int) -> bool:
        """Whether somebody listens there."""
        knock = f"exec 3<>/dev/tcp/{self.address}/{port}"
        return subprocess.run(self.inside(["bash", "-c", knock]), check=False, capture_output=True).returncode == 0

    def kill_all(self, *names: str) -> None:
        """End all processes here of programs with these names, at once and unasked."""
        for name in names:
            subprocess.run(self.inside(["pkill", "-KILL", name]), check=False)


@contextmanager
def two_hosts(folder: Path) -> Iterator[tuple[Host, Host]]:
    """Skips, by name, where namespaces cannot be made. `folder` keeps their tables of names."""
    tools = ("ip", "unshare", "nsenter", "pkill")
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        pytest.skip(f"hosts of their own need {', '.join(missing)}: Debian's packages iproute2, util-linux and procps")
    if os.geteuid() != 0:
        pytest.skip("hosts of their own, in network namespaces, need root")
    addresses = [f"{NETWORK}.{number}" for number in (1, 2)]
    names = folder / "hosts"
    lines = ["127.0.0.1 localhost", *(f"{at} {name}" for name, at in zip(NAMES, addresses, strict=True))]
    names.write_text("\n".join(lines) + "\n")
    with _namespaces() as first, _namespaces() as second:
        _link(first, second)
        found = [Host(*parts) for parts in zip(NAMES, addresses, (first, second), strict=True)]
        for host in found:
            host.run("hostname", host.name)
            host.run("mount", "--bind", str(names), "/etc/hosts")
            host.run("ip", "address", "add", f"{host.address}/24", "dev", WIRE)
            for device in ("lo", WIRE):
                host.run("ip", "link", "set", device, "up")
        yield found[0], found[1]


@contextmanager
def _namespaces() -> Iterator[int]:
    """The first process in new ones. With it end all others there."""
    kinds = ["--net", "--uts", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]
    with subprocess.Popen(["unshare", *kinds, "sleep", "infinity"]) as maker:
        try:
            children = Path(f"/proc/{maker.pid}/task/{maker.pid}/children")
            if not waited_for(lambda: maker.poll() is not None or bool(children.read_text().strip()), 10):
                pytest.fail("unshare started nothing")
            if maker.poll() is not None:
                pytest.skip("the kernel makes no namespaces here")
            first = int(children.read_text())
            # unshare has begun it before it mounts /proc and becomes what it was asked for.
            waited_for(lambda: b"sleep" in Path(f"/proc/{first}/cmdline").read_bytes().split(b"\0")[0], 10)
            yield first
        finally:
            maker.kill()


def _link(first: int, second: int) -> None:
    ends = ["name", WIRE, "netns", str(first), "type", "veth", "peer", "name", WIRE, "netns", str(second)]
    made = subprocess.run(["ip", "link", "add", *ends], check=False, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"the kernel makes no link between hosts: {made.stderr.strip()}")
