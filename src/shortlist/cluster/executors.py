"""Functions of this package that run on executors.

They are named to them, not sent: what runs is the executor's own installation, which must be the driver's version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from shortlist.cluster.faults import MARK
from shortlist.core.version import __version__

if TYPE_CHECKING:
    import pyarrow as pa

    Mapped = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def on_executors(module: str, function: str, argument: str) -> Mapped:
    """For `DataFrame.mapInArrow`: what `module.function(argument, batches)` yields on the executor.

    A UserError there comes back through `faults.spark_errors`; so does an executor without this package, or with
    another version of it.
    """
    version, mark = __version__, MARK

    def mapped(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # A nested function is sent whole, and so can say on an executor that the package is not there.
        import json
        import socket
        import sys
        from importlib import import_module, metadata

        def fault(kind: str, text: str) -> RuntimeError:
            return RuntimeError(f"{mark} {json.dumps({'kind': kind, 'text': text})}")

        what_to_do = (
            f"Install it on every host: pip install 'shortlist[spark]=={version}'; PYSPARK_PYTHON names the Python"
        )
        try:
            found = metadata.version("shortlist")
        except metadata.PackageNotFoundError:
            where = f"{sys.executable} on the executor {socket.gethostname()}"
            raise fault("EnvironmentFault", f"{where} has no package shortlist. {what_to_do}.") from None
        if found != version:
            where = f"the executor {socket.gethostname()}"
            text = f"{where} has shortlist {found}, expected the driver's {version}. {what_to_do}."
            raise fault("EnvironmentFault", text)
        errors = import_module("shortlist.core.errors")
        try:
            yield from getattr(import_module(module), function)(argument, batches)
        except errors.UserError as error:
            raise fault(type(error).__name__, str(error)) from error

    return mapped
