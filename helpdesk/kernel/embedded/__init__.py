"""Servers and processes of our own, for a machine that has none: `make run` and `make test` on a bare computer.

When to use it: development, trials, tests, a small installation. When not: where an operator gives
`HELPDESK_DATABASE_URL` and `HELPDESK_REDIS_URL`, nothing of this is touched. It knows no domain and no Flask.

Everything here keeps four promises, each with its test:

1. **Nothing outlives its owner.** Every process is a direct child that the kernel signals when the owner dies,
   even by `kill -9` (`launcher.py`). Without it a killed run leaves a PostgreSQL behind for ever.
2. **One owner.** A lock that dies with its holder, never a process id in a file: ids are used again after a restart.
3. **Private.** Unix sockets in folders of mode 0700, `peer` authentication, no network port, never `trust`.
4. **No permission of an existing folder changes**, also not as root, where PostgreSQL must run under another account.

The owner's *main thread* starts the servers: the kernel's "parent died" is about the thread that forked.
"""

from helpdesk.kernel.embedded.children import Child, Server, Supervisor
from helpdesk.kernel.embedded.errors import EmbeddedServerError
from helpdesk.kernel.embedded.patience import Pace
from helpdesk.kernel.embedded.postgres import EmbeddedPostgres
from helpdesk.kernel.embedded.redis import EmbeddedRedis, find_redis_server
from helpdesk.kernel.embedded.serving import running_url

__all__ = [
    "Child",
    "EmbeddedPostgres",
    "EmbeddedRedis",
    "EmbeddedServerError",
    "Pace",
    "Server",
    "Supervisor",
    "find_redis_server",
    "running_url",
]
