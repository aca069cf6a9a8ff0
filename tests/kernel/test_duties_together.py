"""Many duties of one ring in one transaction, where their handler can do that.

How it can fail: one that breaks takes the others with it, now or each time; one that takes its worker down does so to the others until
all of them are dead; what was left out is never done, or what was done is done again; the others' leases run out meanwhile.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event as Flag
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import outbox
from helpdesk.kernel.duties import Owed, Performer
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from tests.kernel.happenings import Said, told
from tests.kernel.test_duties import FENCED, Work, break_down, note, owe, settling, state
from tests.racing import at_once, until


@dataclass
class Group:
    """Says of each that it is done. `seen`: what was given to it each time. `leaves`: some that it does not do. `before`: called
    with each, and may raise.
    """

    database: Database
    seen: list[list[UUID]] = field(default_factory=list)
    leaves: Collection[UUID] = ()
    before: Callable[[UUID], None] = lambda _: None

    def __call__(self, _tools: Any, owed: Sequence[Owed]) -> list[UUID]:
        self.seen.append([one.duty_id for one in owed])
        taken = [one for one in owed if one.duty_id not in self.leaves]
        with self.database.unit_of_work(SYSTEM) as uow:
            for one in taken:
                self.before(one.duty_id)
                uow.record(Said(thing_id=one.subject_id, words="together"))
            outbox.settle_many(uow.session, [one.duty_id for one in taken])
        return [one.duty_id for one in taken]


def _break_at(bad: UUID, duty_id: UUID) -> None:
    assert duty_id != bad, "it broke"


def performer(database: Database, group: Group, work: Work = note) -> Performer:
    """`work`: what it does with one by itself."""
    handlers = {"test": replace(settling(database, work), together=group), "other": settling(database, note)}
    return Performer(database, handlers, SYSTEM, tools="the tools", renewed=60)


def words(database: Database) -> list[str]:
    return [said for _, said in told(database)]


class TestTogether:
    def test_those_of_one_ring_in_their_order_once(self, database: Database) -> None:
        first, second, other, third = owe(database, "test", "test", "other", "test")
        group = Group(database)
        worker = performer(database, group)
        assert worker.perform([third, first, other, second, first]) == {"done": 4, "skipped": 1, "failed": 0}
        assert group.seen == [[first, second, third]]
        assert sorted(words(database)) == ["done", *["together"] * 3]
        assert worker.perform([first, second, third, other]) == {"done": 0, "skipped": 4, "failed": 0}
        assert len(group.seen) == 1

    def test_one_alone_is_done_by_itself(self, database: Database) -> None:
        group = Group(database)
        assert performer(database, group).perform(owe(database, "test"))["done"] == 1
        assert (group.seen, words(database)) == ([], ["done"])

    def test_what_it_leaves_comes_by_itself(self, database: Database) -> None:
        made = owe(database, *["test"] * 3)
        group = Group(database, leaves={made[1]})
        assert performer(database, group).perform(made)["done"] == 3
        assert sorted(words(database)) == ["done", "together", "together"]

    def test_one_that_breaks_does_so_alone_from_then_on(self, database: Database, engine: Engine) -> None:
        made = owe(database, *["test"] * 3)
        bad = state(database, made[1])["subject_id"]

        def work(uow: UnitOfWork, subject: UUID) -> None:
            (break_down if subject == bad else note)(uow, subject)

        group = Group(database, before=partial(_break_at, made[1]))
        worker = performer(database, group, work)
        assert worker.perform(made) == {"done": 2, "skipped": 0, "failed": 1}
        assert words(database) == ["done"] * 2
        again = owe(database, "test", "test")
        assert worker.perform([*again, made[1]]) == {"done": 2, "skipped": 0, "failed": 1}
        assert group.seen[-1] == again
        assert (state(database, made[1])["failures"], state(database, made[1])["done_at"]) == (2, None)

    def test_one_that_breaks_undoes_what_was_done_with_it(self, database: Database) -> None:
        made = owe(database, *["test"] * 3)
        group = Group(database, before=partial(_break_at, made[2]))
        assert performer(database, group).perform(made)["done"] == 3
        assert words(database) == ["done"] * 3

    def test_after_a_worker_died_in_it_each_comes_by_itself(self, database: Database, engine: Engine) -> None:
        """Whichever of them took it down does not do so to the others until all of them are dead."""
        made = owe(database, *["test"] * 3)
        with engine.begin() as connection:
            assert len(outbox.begin_fresh(connection, made, ["test"])) == 3
        group = Group(database)
        assert performer(database, group).perform(made)["done"] == 3
        assert (group.seen, words(database)) == ([], ["done"] * 3)

    def test_by_four_workers_at_once(self, database: Database) -> None:
        made = owe(database, *["test"] * 20)
        worker = performer(database, Group(database))
        counts = at_once(*[lambda: worker.perform(made)] * 4)
        assert sum(count["done"] for count in counts) == len(told(database)) == 20

    def test_nobody_else_meanwhile_and_the_leases_are_renewed(self, database: Database, engine: Engine) -> None:
        made = owe(database, *["test"] * 3)
        begun, go_on = Flag(), Flag()

        def stand_still(_: UUID) -> None:
            begun.set()
            assert go_on.wait(30)

        standing = replace(performer(database, Group(database, before=stand_still)), renewed=0.01)

        def meanwhile() -> dict[str, int]:
            assert begun.wait(30)
            try:
                with engine.begin() as connection:
                    connection.execute(text("UPDATE duty SET next_at = now()"))
                soon = datetime.now(UTC) + timedelta(seconds=10)
                until(lambda: all(state(database, duty)["next_at"] > soon for duty in made))
                return performer(database, Group(database)).perform(made)
            finally:
                go_on.set()

        counts = at_once(lambda: standing.perform(made), meanwhile)
        assert [(count["done"], count["skipped"]) for count in counts] == [(3, 0), (0, 3)]
        assert words(database) == ["together"] * 3
        with engine.connect() as connection:
            assert connection.execute(FENCED).scalars().all() == []
