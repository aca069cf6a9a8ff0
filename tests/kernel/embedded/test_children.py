"""The supervisor as a process of its own, over shell scripts; what it did is read from what it wrote."""

import contextlib
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from helpdesk.kernel.embedded import running_url
from helpdesk.kernel.embedded.patience import Pace, Patience
from tests.kernel.embedded.programs import Program, alive, running, until

# Says its id, ends politely. A short sleep: a shell runs its trap only between commands.
POLITE = 'trap "echo bye; exit 0" TERM; echo up $$; while :; do sleep 0.05; done'
STUBBORN = 'trap "echo no" TERM; echo up $$; while :; do sleep 0.05; done'


def supervise(*children: dict[str, Any], **plan: Any) -> contextlib.AbstractContextManager[Program]:
    return running("-m", "tests.kernel.embedded.supervise", json.dumps({"children": children, **plan}))


def child(name: str, script: str = POLITE, **more: Any) -> dict[str, Any]:
    return {"name": name, "script": script, **more}


def pid_of(program: Program, label: str) -> int:
    return int(program.line(rf"^{re.escape(label)} +\| up (\d+)")[1])


class TestStarting:
    def test_in_order_each_when_those_before_are_ready(self, place: Path) -> None:
        slow = f"sleep 0.3; echo opened; touch {place}/open; {POLITE}"
        with supervise(child("web", slow, ready_file=f"{place}/open"), child("worker", instances=2)) as program:
            program.line(r"^web +\| opened")
            pid_of(program, "worker.1")
            pid_of(program, "worker.2")
            program.line("ALL READY")
            assert not any(line.startswith("worker") for line in program.text.partition("opened")[0].split("\n"))

    def test_output_is_passed_on_line_by_line(self) -> None:
        noisy = r"printf 'one\ntwo\r\nhalf '; echo line; printf '\377\n'; echo wrong >&2; printf end; sleep 9"
        with supervise(child("noisy", noisy)) as program:
            for expected in ("one$", "two$", "half line$", "\N{REPLACEMENT CHARACTER}$", "wrong$"):
                program.line(rf"^noisy +\| {expected}")

    def test_one_that_is_never_ready_is_ended_and_tried_again(self, place: Path) -> None:
        with supervise(child("web", ready_file=f"{place}/never"), pace={"ready_within": 0.3}) as program:
            first = pid_of(program, "web")
            program.line("web was not ready within 0.3 s")
            assert pid_of(program, "web") != first


class TestDying:
    def test_one_that_dies_comes_back_and_the_others_stay(self) -> None:
        with supervise(child("web"), child("worker")) as program:
            web, worker = pid_of(program, "web"), pid_of(program, "worker")
            os.kill(worker, signal.SIGKILL)
            program.line(r"worker ended after .* \(killed by SIGKILL\); again in 0.05 s")
            assert pid_of(program, "worker") != worker
            assert alive(web)

    def test_what_it_started_dies_with_it(self) -> None:
        with supervise(child("worker", f"sleep 600 & echo left $!; {POLITE}")) as program:
            left = int(program.line(r"left (\d+)")[1])
            os.kill(pid_of(program, "worker"), signal.SIGKILL)
            program.line("worker ended")
            until(lambda: not alive(left), "the end of the grandchild")

    def test_one_that_cannot_start_is_reported_and_ends_everything(self) -> None:
        broken = child("worker", "echo no such setting: COLOUR; exit 3")
        with supervise(child("web"), broken, pace={"hopeless_after": 3}) as program:
            web = pid_of(program, "web")
            assert program.ends() == 1
            report = program.text.partition("worker cannot start: it ended 3 times in a row, last with exit status 3")[
                2
            ]
            assert "worker   | no such setting: COLOUR" in report
            assert "web      | bye" in report, "the others are stopped in peace"
            assert not alive(web)

    def test_a_program_that_does_not_exist(self) -> None:
        with supervise(child("web", "exec /no/such/program"), pace={"hopeless_after": 2}) as program:
            assert program.ends() == 1
            assert "/no/such/program" in program.text


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_in_reverse_order(self, number: signal.Signals, place: Path) -> None:
        """Only what was waited for is stopped after what waited for it."""
        (place / "open").touch()
        web = child("web", ready_file=f"{place}/open")
        with supervise(web, child("worker"), child("clock")) as program:
            pids = [pid_of(program, name) for name in ("web", "worker", "clock")]
            program.send(number)
            assert program.ends() == 0
            *first, last = re.findall(r"^(\w+) +\| bye", program.text, re.MULTILINE)
            assert (sorted(first), last) == (["clock", "worker"], "web")
            assert not any(map(alive, pids))

    def test_a_shell_that_made_us_ignore_the_interrupt_does_not_matter(self) -> None:
        """What a script starts with `&` ignores SIGINT from birth; we listen, and the children get it back."""
        plan = json.dumps({"children": [child("web", f"trap 'echo heard' INT; kill -INT $$; {POLITE}")]})
        script = 'trap "" INT; exec "$0" -m tests.kernel.embedded.supervise "$1"'
        launcher = f"import os, sys; os.execv('/bin/sh', ['sh', '-c', {script!r}, sys.executable, sys.argv[1]])"
        with running("-c", launcher, plan) as program:
            program.line(r"^web +\| heard")
            pid_of(program, "web")
            program.send(signal.SIGINT)
            assert program.ends() == 0

    def test_one_that_does_not_listen_is_killed_after_the_grace(self) -> None:
        with supervise(child("web", STUBBORN), pace={"grace": 0.1}) as program:
            web = pid_of(program, "web")
            program.send(signal.SIGTERM)
            assert program.ends() == 0
            assert "web did not stop in time and is killed" in program.text
            assert not alive(web)

    def test_a_second_interrupt_kills_at_once(self) -> None:
        with supervise(child("web", STUBBORN), pace={"grace": 3600}) as program:
            web = pid_of(program, "web")
            program.send(signal.SIGINT)
            program.line(r"web +\| no")
            program.send(signal.SIGINT)
            assert program.ends() == 0
            assert not alive(web)

    def test_a_second_sigterm_is_no_hurry(self) -> None:
        """`make` passes on the SIGTERM that its whole group was sent."""
        slow = 'trap "echo asked; sleep 0.3; echo bye; exit 0" TERM; echo up $$; while :; do sleep 0.05; done'
        with supervise(child("web", slow)) as program:
            pid_of(program, "web")
            program.send(signal.SIGTERM)
            program.line("asked")
            program.send(signal.SIGTERM)
            assert program.ends() == 0
            assert re.search(r"^web +\| bye", program.text, re.MULTILINE)


class TestServers:
    def test_killed_at_once_it_leaves_nothing(self, place: Path, redis_program: Path) -> None:
        folders = {"postgres": str(place / "postgres"), "redis": str(place / "redis")}
        with supervise(child("web"), child("worker", STUBBORN.replace("TERM", "HUP")), **folders) as program:
            pids = [pid_of(program, "web"), pid_of(program, "worker")]
            program.line("ALL READY")
            pids += [int((place / name / "owner.lock").read_text()) for name in folders]
            servers = [int(lock.read_text()) for lock in locks_of(place)]
            assert len(servers) == 2
            assert all(map(alive, pids + servers))
            program.send(signal.SIGKILL)
            program.process.wait()
            until(lambda: not any(map(alive, pids + servers)), "the end of all")

    def test_brought_back_with_the_same_address_and_stopped_last(self, place: Path, redis_program: Path) -> None:
        folders = {"postgres": str(place / "postgres"), "redis": str(place / "redis")}
        with supervise(child("web", f'echo "URL=$URL"; {POLITE}'), **folders) as program:
            url = program.line(r"URL=(\S+)")[1]
            web = pid_of(program, "web")
            for lock in locks_of(place):
                os.kill(int(lock.read_text()), signal.SIGKILL)
            killed = {program.line(r"(postgres|redis) ended \(killed by SIGKILL\)")[1] for _ in range(2)}
            assert killed == {"postgres", "redis"}
            until(lambda: running_url(place / "postgres") == url, "the database")
            until(lambda: all(alive(int(lock.read_text() or 0)) for lock in locks_of(place)), "both servers")
            assert alive(web)
            program.send(signal.SIGTERM)
            assert program.ends() == 0
            assert "PID of postgres is None PID of redis is None" in program.text

    def test_one_that_cannot_be_brought_back_ends_everything(self, place: Path, redis_program: Path) -> None:
        (place / "redis").touch()
        with supervise(child("web"), redis=str(place / "redis"), pace={"hopeless_after": 2}) as program:
            assert program.ends() == 1
            assert "is not a folder" in program.text
            assert "redis cannot start." in program.text
            assert "up" not in re.findall(r"^web +\| (\w+)", program.text, re.MULTILINE), "nothing starts without it"


def locks_of(place: Path) -> list[Path]:
    """The locks that note the servers' process ids; as root PostgreSQL's may be kept elsewhere."""
    homes = [place / "postgres" / "kept-elsewhere", place / "postgres", place / "redis"]
    return [home / "server.lock" for home in homes if (home / "server.lock").exists()]


class TestPatience:
    def test_pauses_double_up_to_a_limit(self) -> None:
        patience = Patience(Pace(first_pause=0.5, longest_pause=30))
        assert [patience.died(100.0, 11.0) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
        assert patience.not_before == 130.0
        assert not patience.hopeless, "it lived a while each time"

    def test_a_healthy_time_is_a_new_beginning(self) -> None:
        patience = Patience(Pace())
        for _ in range(4):
            patience.died(0.0, 1.0)
        assert patience.died(100.0, 61.0) == 0.5
        assert not patience.hopeless

    def test_short_lives_in_a_row_are_hopeless(self) -> None:
        patience = Patience(Pace())
        for _ in range(4):
            patience.died(0.0, 1.0)
            assert not patience.hopeless
        patience.died(0.0, 1.0)
        assert patience.hopeless

    def test_it_never_overflows(self) -> None:
        patience = Patience(Pace())
        assert {patience.died(0.0, 11.0) for _ in range(3000)} == {0.5, 1, 2, 4, 8, 16, 30}
