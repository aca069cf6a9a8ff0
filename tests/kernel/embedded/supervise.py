"""`helpdesk up` in small: a supervisor over shell commands. Told what to do by a JSON text in its first argument.

{"children": [{"name": "web", "script": "sleep 9", "instances": 1, "ready_file": "path"}],
 "pace": {"grace": 5}, "postgres": "folder", "redis": "folder"}
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpdesk.kernel.embedded import Child, EmbeddedPostgres, EmbeddedRedis, Pace, Server, Supervisor


def there(path: str) -> Callable[[], bool]:
    return lambda: Path(path).exists()


def main(plan: dict[str, Any]) -> int:
    servers: list[Server] = []
    env = dict(os.environ)
    if "postgres" in plan:
        postgres = EmbeddedPostgres(Path(plan["postgres"]), durable=False)
        env["URL"] = postgres.start()
        servers.append(postgres)
    if "redis" in plan:
        servers.append(EmbeddedRedis(Path(plan["redis"])))
    children = [
        Child(
            name=child["name"],
            argv=["/bin/sh", "-c", child["script"]],
            env=env,
            instances=child.get("instances", 1),
            ready=there(child["ready_file"]) if "ready_file" in child else None,
        )
        for child in plan["children"]
    ]
    pace = Pace(**{"first_pause": 0.05, "grace": 10.0, **plan.get("pace", {})})
    status = Supervisor(children, servers, pace=pace, on_ready=lambda: print("ALL READY")).run()
    print(*("PID of " + server.name + " is " + str(server.process) for server in servers))
    return status


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
