"""gunicorn's own settings that are code. Logs go through ours, from its first line on; a worker that ends takes its metrics
files with it, and the server their folder.
"""

import gc
import os
from pathlib import Path
from typing import Any

from gunicorn import glogging
from gunicorn.workers.gthread import ThreadWorker
from prometheus_client import multiprocess

from helpdesk.kernel import logs, metrics
from helpdesk.kernel.settings import Settings


class logger_class(glogging.Logger):  # type: ignore[misc]  # noqa: N801  # untyped; the name of gunicorn's setting
    """Its own handler would write callers' addresses and paths, which are signed links, in lines that are no JSON."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        logs.configure(cfg.loglevel.upper())


class Worker(ThreadWorker):  # type: ignore[misc]  # untyped
    """Threads. One that is to stop waits for requests that are being answered, and for connections that are kept open for a
    moment; gunicorn's own waits the whole grace for one over which nothing has been said yet, as a browser opens some in advance.
    """

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for connection in self.pending_conns:
            connection.timeout = min(connection.timeout, deadline)


def post_fork(_server: Any, _worker: Any) -> None:
    logs.configure(Settings.from_environment().log_level)


def post_worker_init(_worker: Any) -> None:
    """What was loaded stays for good: to look through all of it again and again would hold up a request each time, for longer
    than most take.
    """
    gc.freeze()


def child_exit(_server: Any, worker: Any) -> None:
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    metrics.remove_folder(Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")))
