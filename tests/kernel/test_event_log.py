"""The append-only log, its hash chains, and the cursor that never misses a late commit.

How it can fail: a row can be changed or removed without anybody noticing; an erasure breaks the chain, or cannot be
done; two writers fork a chain; a payload is read back other than it was digested; a reader that goes on from where it
stood misses an event whose transaction committed late.
"""

import random
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, literal_column, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.errors import CursorExpired, CursorMismatch
from helpdesk.kernel.event_log import (
    BELOW_HORIZON,
    FEED_ORDER,
    EventRow,
    FeedPosition,
    after_position,
    canonical,
    current_epoch,
    erase,
    link_hash,
    start_of_log,
    veiled,
    verify_stream,
)
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Consequences, Database, UnitOfWork
from tests.kernel.happenings import Chain, Erased, Said, say, told
from tests.tampering import past_the_trigger

ONE: Final = "stream_seq = 2"
CLOSE_UP: Final = "; ".join(f"UPDATE event SET stream_seq = {n - 1} WHERE stream_seq = {n}" for n in (3, 4))
_NOWHERE: Final = "stands at a place that there is none of"
_ON_TOP: Final = "was put on at the end, with all that follow: its owner knows of 4 events"
SWAP: Final = "; ".join(
    f"UPDATE event SET stream_seq = {new} WHERE stream_seq = {old}" for old, new in ((2, 999), (3, 2), (999, 3))
)


INSERT: Final = (
    "INSERT INTO event (id, type, subject_id, occurred_at, actor_kind, payload, salt, digest, prev_hash, hash) "
    "SELECT gen_random_uuid(), type, subject_id, occurred_at, actor_kind, '{{\"erased\": {}}}', '', digest, prev_hash, hash "
    "FROM event WHERE stream_seq = 1"
)


def erase_second(database: Database, chain: Chain) -> None:
    """As it is done lawfully: in one transaction with an event that names it."""
    with database.unit_of_work(SYSTEM) as uow:
        here = EventRow.stream_id == chain.id
        second = uow.session.scalars(select(EventRow.id).where(here, text(ONE))).one()
        uow.record(
            Erased(
                thing_id=chain.id,
                words="erased",
                erased={veiled(stream): places for stream, places in erase(uow.session, [second]).items()},
            ),
            chain,
        )


def faults(database: Database, chain: Chain, erasures: Collection[int] = ()) -> list[tuple[int, str]]:
    with database.reader() as session:
        rows = session.scalars(
            select(EventRow).where(EventRow.stream_id == chain.id).order_by(EventRow.stream_seq)
        ).all()
    found = verify_stream(rows, stream_id=chain.id, count=chain.event_count, head=chain.event_head, erasures=erasures)
    assert {item.stream_id for item in found} <= {chain.id}
    return [(item.stream_seq, item.what) for item in found]


@pytest.fixture
def chain(database: Database) -> Chain:
    """Four events, in two units of work."""
    made = Chain()
    say(database, made, "one", "two")
    say(database, made, "three", "four")
    return made


class TestAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM event",
            f"DELETE FROM event WHERE {ONE}",
            "TRUNCATE event",
            "TRUNCATE event CASCADE",
            f"UPDATE event SET type = 'x' WHERE {ONE}",
            f"UPDATE event SET stream_seq = 999 WHERE {ONE}",
            f"UPDATE event SET occurred_at = now() WHERE {ONE}",
            f"UPDATE event SET payload = '{{}}' WHERE {ONE}",
            f"UPDATE event SET payload = NULL WHERE {ONE}",
            f"UPDATE event SET salt = NULL WHERE {ONE}",
            f"UPDATE event SET payload = NULL, salt = NULL, hash = '' WHERE {ONE}",
            f"UPDATE event SET payload = NULL, salt = NULL, xid = '1' WHERE {ONE}",
            "INSERT INTO event SELECT * FROM event WHERE stream_seq = 2 ON CONFLICT (id) DO UPDATE SET type = 'x'",
        ],
    )
    def test_refused(self, database: Database, engine: Engine, chain: Chain, statement: str) -> None:
        before = told(database)
        if statement.startswith("INSERT"):
            columns = "id, type, subject_id, occurred_at, actor_kind, payload, salt, digest, prev_hash, hash"
            statement = statement.replace("event SELECT *", f"event ({columns}) SELECT {columns}")
        with pytest.raises(IntegrityError, match="events are never changed or removed"), engine.begin() as connection:
            connection.exec_driver_sql(statement)
        assert told(database) == before
        assert faults(database, chain) == []

    def test_a_payload_may_be_erased_and_the_chain_holds(
        self, database: Database, engine: Engine, chain: Chain
    ) -> None:
        erase_second(database, chain)
        assert [words for _, words in told(database)] == ["one", None, "three", "four", "erased"]
        assert faults(database, chain, erasures={2}) == []
        assert faults(database, chain) == [(2, "payload was erased, and no event accounts for it")]
        say(database, chain, "five")
        assert faults(database, chain, erasures={2}) == []

    @pytest.mark.parametrize(
        "told_by",
        [
            "SELECT 1",
            'UPDATE event SET payload = payload || \'{"erased": {"STREAM": [2]}}\' WHERE stream_seq = 4',
            INSERT.format('{"STREAM": [3]}'),
            INSERT.format('{"00000000-0000-0000-0000-000000000000": [2]}'),
        ],
    )
    def test_an_erasure_that_is_not_told_in_its_transaction_is_refused(
        self, database: Database, engine: Engine, chain: Chain, told_by: str
    ) -> None:
        before = told(database)
        statements = f"UPDATE event SET payload = NULL, salt = NULL WHERE {ONE}; " + told_by.replace(
            "STREAM", veiled(chain.id)
        )
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.exec_driver_sql(statements)
        assert told(database) == before

    def test_what_is_erased_stays_erased(self, database: Database, engine: Engine, chain: Chain) -> None:
        erase_second(database, chain)
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE event SET payload = '{{}}', salt = 'x' WHERE {ONE}")


class TestChain:
    def test_whole(self, database: Database, chain: Chain) -> None:
        assert chain.event_count == 4
        assert faults(database, chain) == []
        assert faults(database, Chain()) == []

    @pytest.mark.parametrize(
        ("tampering", "expected"),
        [
            (f'UPDATE event SET payload = \'{{"words": "2"}}\' WHERE {ONE}', {(2, "payload was changed")}),
            (f"UPDATE event SET salt = 'other' WHERE {ONE}", {(2, "payload was changed")}),
            (f"UPDATE event SET type = 'test.heard' WHERE {ONE}", {(2, "header was changed")}),
            (f"UPDATE event SET occurred_at = occurred_at + interval '1 us' WHERE {ONE}", {(2, "header was changed")}),
            (f"UPDATE event SET actor_kind = 'agent' WHERE {ONE}", {(2, "header was changed")}),
            (f"UPDATE event SET actor_id = id WHERE {ONE}", {(2, "header was changed")}),
            (f"UPDATE event SET subject_id = id WHERE {ONE}", {(2, "header was changed")}),
            (f"UPDATE event SET id = subject_id WHERE {ONE}", {(2, "header was changed")}),
            (f"UPDATE event SET digest = 'x' WHERE {ONE}", {(2, "payload was changed"), (2, "header was changed")}),
            (
                f"UPDATE event SET prev_hash = 'x' WHERE {ONE}",
                {(2, "header was changed")},
            ),
            (
                f"UPDATE event SET hash = 'x' WHERE {ONE}",
                {(2, "header was changed")},
            ),
            (f"DELETE FROM event WHERE {ONE}", {(2, "is missing")}),
            ("DELETE FROM event WHERE stream_seq IN (2, 3)", {(2, "and all up to 3 are missing")}),
            ("DELETE FROM event WHERE stream_seq = 1", {(1, "is missing")}),
            ("DELETE FROM event WHERE stream_seq = 4", {(4, "is missing at the end")}),
            ("DELETE FROM event WHERE stream_seq > 2", {(3, "and all up to 4 are missing at the end")}),
            ("DELETE FROM event", {(1, "and all up to 4 are missing at the end")}),
            (SWAP, {(2, "was event number 3"), (3, "was event number 2")}),
            (
                f"DELETE FROM event WHERE {ONE}; {CLOSE_UP}",
                {(2, "was event number 3"), (3, "was event number 4"), (4, "is missing at the end")},
            ),
            ("UPDATE event SET stream_seq = -1 WHERE stream_seq = 2", {(-1, _NOWHERE), (2, "is missing")}),
            (
                "UPDATE event SET stream_seq = 999 WHERE stream_seq = 4",
                {(4, "and all up to 998 are missing"), (999, "was event number 4"), (5, _ON_TOP)},
            ),
        ],
    )
    def test_tampering_is_found_and_named(
        self, database: Database, engine: Engine, chain: Chain, tampering: str, expected: set[tuple[int, str]]
    ) -> None:
        past_the_trigger(engine, *tampering.split("; "))
        assert set(faults(database, chain)) == expected

    def test_a_row_put_in_with_its_own_hash_is_found(self, database: Database, engine: Engine, chain: Chain) -> None:
        """Whoever rewrites one row and its hash has to rewrite all that follow, and the owner's head."""
        with database.reader() as session:
            row = session.scalars(
                select(EventRow).where(EventRow.stream_id == chain.id, EventRow.stream_seq == 2)
            ).one()
        digest = b"d" * 32
        forged = link_hash(
            event_id=row.id,
            stream_id=row.stream_id,
            stream_seq=2,
            kind="test.heard",
            subject_id=row.subject_id,
            occurred_at=row.occurred_at,
            actor_kind=row.actor_kind,
            actor_id=row.actor_id,
            digest=digest,
            prev_hash=row.prev_hash,
        )
        past_the_trigger(
            engine,
            f"UPDATE event SET type = 'test.heard', payload = NULL, salt = NULL, digest = '\\x{digest.hex()}', "
            f"hash = '\\x{forged.hex()}' WHERE {ONE}",
        )
        assert faults(database, chain, erasures={2}) == [(3, "does not follow from event 2: that one was replaced")]

    @pytest.mark.parametrize(
        ("place", "expected"),
        [
            (
                3,
                [
                    (3, "was put in between two others"),
                    (4, "was event number 3"),
                    (5, "was event number 4"),
                    (5, _ON_TOP),
                ],
            ),
            (5, [(5, _ON_TOP)]),
        ],
    )
    def test_a_foreign_row_is_found(
        self, database: Database, engine: Engine, chain: Chain, place: int, expected: list[tuple[int, str]]
    ) -> None:
        """Made as one of ours is, and linked to the one before; those after it move on by one."""
        ours = f"stream_id = '{chain.id}' AND stream_seq"
        shift = [f"UPDATE event SET stream_seq = {n + 1} WHERE {ours} = {n}" for n in range(4, place - 1, -1)]
        past_the_trigger(engine, *shift)
        with database.reader() as session:
            row = session.scalars(
                select(EventRow).where(EventRow.stream_id == chain.id, EventRow.stream_seq == place - 1)
            ).one()
        event_id, digest = new_id(), b"d" * 32
        forged = link_hash(
            event_id=event_id,
            stream_id=row.stream_id,
            stream_seq=place,
            kind=row.type,
            subject_id=row.subject_id,
            occurred_at=row.occurred_at,
            actor_kind=row.actor_kind,
            actor_id=row.actor_id,
            digest=digest,
            prev_hash=row.hash,
        )
        past_the_trigger(
            engine,
            "INSERT INTO event (id, stream_id, stream_seq, type, subject_id, occurred_at, actor_kind, actor_id, digest, "
            f"prev_hash, hash) SELECT '{event_id}', stream_id, {place}, type, subject_id, occurred_at, actor_kind, "
            f"actor_id, '\\x{digest.hex()}', hash, '\\x{forged.hex()}' FROM event WHERE {ours} = {place - 1}",
        )
        assert faults(database, chain, erasures={place}) == expected

    def test_an_owner_that_knows_another_end(self, database: Database, chain: Chain) -> None:
        with database.reader() as session:
            ours = select(EventRow).where(EventRow.stream_id == chain.id).order_by(EventRow.stream_seq)
            rows = session.scalars(ours).all()
        found = verify_stream(rows, stream_id=chain.id, count=4, head=b"x" * 32)
        assert [(item.stream_seq, item.kind) for item in found] == [(4, "head")]
        assert verify_stream([], stream_id=chain.id, count=0, head=b"x")[0].kind == "head"

    def test_another_chains_row(self, database: Database, engine: Engine, chain: Chain) -> None:
        other = Chain()
        say(database, other, "elsewhere")
        past_the_trigger(
            engine,
            f"DELETE FROM event WHERE stream_id = '{chain.id}' AND stream_seq = 1",
            f"UPDATE event SET stream_id = '{chain.id}' WHERE stream_id = '{other.id}'",
        )
        assert (1, "header was changed") in faults(database, chain)
        assert faults(database, other) == [(1, "is missing at the end")]

    def test_any_random_change_is_found(self, database: Database, engine: Engine, chain: Chain) -> None:
        chance = random.Random(7)
        columns = ["type", "subject_id", "occurred_at", "actor_kind", "payload", "digest", "prev_hash", "hash"]
        changes = {
            "type": "type || 'x'",
            "subject_id": "gen_random_uuid()",
            "occurred_at": "occurred_at - interval '1 day'",
            "actor_kind": "actor_kind || 'x'",
            "payload": """payload || '{"more": 1}'""",
            "digest": "digest || '\\x00'",
            "prev_hash": "prev_hash || '\\x00'",
            "hash": "hash || '\\x00'",
        }
        for _ in range(10):
            column, place = chance.choice(columns), chance.randint(1, 4)
            copy = f"CREATE TABLE kept AS SELECT * FROM event WHERE stream_seq = {place}"
            back = f"UPDATE event SET {column} = kept.{column} FROM kept WHERE event.id = kept.id"
            past_the_trigger(engine, copy, f"UPDATE event SET {column} = {changes[column]} WHERE stream_seq = {place}")
            assert place in {seq for seq, _ in faults(database, chain)}, (column, place)
            past_the_trigger(engine, back, "DROP TABLE kept")
            assert faults(database, chain) == []


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text('äZ包a."\\ \u2028', max_size=5), children, max_size=4)
    ),
    max_leaves=12,
)


class TestPayload:
    @given(_JSON)
    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_what_was_digested_is_what_is_read(self, database: Database, words: Any) -> None:
        """Whatever `jsonb` does with keys, escapes and numbers on the way, the chain verifies."""
        chain = Chain()
        say(database, chain, words)
        assert faults(database, chain) == []
        assert told(database)[-1] == ("test.said", words)

    @pytest.mark.parametrize("words", [1.5, 1e16, [{"a": -0.0}], float("nan"), 2**64, {1, 2}, object(), "\ud800"])
    def test_what_has_no_one_text_is_refused_whole(self, database: Database, words: Any) -> None:
        chain = Chain()
        with pytest.raises(TypeError):
            say(database, chain, "before", words)
        assert told(database) == []

    def test_canonical(self) -> None:
        assert canonical({"b": [1, None], "a": "é"}) == '{"a":"é","b":[1,null]}'.encode()

    def test_salt_hides_a_short_payload(self, database: Database) -> None:
        chain = Chain()
        say(database, chain, "yes", "yes")
        with database.reader() as session:
            first, second = session.scalars(select(EventRow.digest).where(EventRow.stream_id == chain.id)).all()
        assert first != second


class TestFork:
    def test_two_writers_without_the_lock(self, database: Database, chain: Chain) -> None:
        """Both read the head and write after it; the second one fails, and its events are not half there."""
        other = Chain(chain.id, chain.event_count, chain.event_head)

        def slow() -> None:
            with database.unit_of_work(SYSTEM) as uow:
                uow.record(Said(thing_id=other.id, words="slow"), other)
                uow.record(Said(thing_id=other.id, words="slower"))
                say(database, chain, "quick")

        with pytest.raises(IntegrityError, match="uq_event_stream_id"):
            slow()
        assert [words for _, words in told(database)] == ["one", "two", "three", "four", "quick"]
        assert faults(database, chain) == []


def read_feed(session: Session, position: FeedPosition) -> tuple[list[Any], FeedPosition]:
    """The feed as its readers read it."""
    epoch = current_epoch(session)
    rows = session.execute(
        select(EventRow.payload, literal_column("event.xid::text").label("xid_text"), EventRow.seq)
        .where(BELOW_HORIZON, after_position(position, epoch))
        .order_by(FEED_ORDER)
    ).all()
    found = [(row.payload or {})["words"] for row in rows if row.payload and "words" in row.payload]
    if rows:
        position = FeedPosition(epoch, int(rows[-1].xid_text), rows[-1].seq)
    return found, position


class TestFeed:
    def test_a_late_commit_is_not_missed(self, database: Database, engine: Engine) -> None:
        """The first to begin commits last. By `seq` alone its event would lie behind a reader that has gone on."""
        with database.reader() as session:
            position = start_of_log(current_epoch(session))
        by_seq: list[int] = []
        with Session(engine) as late:
            uow = UnitOfWork(late, SYSTEM, Consequences())
            uow.record(Said(thing_id=new_id(), words="late"))
            uow.finish()
            say(database, Chain(), "early")
            with database.reader() as session:
                seen, position = read_feed(session, position)
                by_seq += session.scalars(select(EventRow.seq).where(EventRow.type == "test.said")).all()
            assert seen == []  # not yet: something older is still running
            late.commit()
        with database.reader() as session:
            seen, position = read_feed(session, position)
            assert seen == ["late", "early"]
            before = select(EventRow.payload).where(EventRow.seq < max(by_seq)).order_by(EventRow.seq)
            missed = session.scalars(before).all()
            assert [(payload or {}).get("words") for payload in missed][-1] == "late"  # what `seq` alone would miss
            assert read_feed(session, position) == ([], position)

    def test_many_writers_and_a_reader(self, database: Database) -> None:
        """Threads that write at random while somebody reads on and on: everything once, in the same order as at the end."""
        with database.reader() as session:
            position = start_of_log(current_epoch(session))

        def write(name: str) -> None:
            for number in range(15):
                say(database, Chain(), f"{name}{number}")

        with ThreadPoolExecutor(4) as pool:
            writing = [pool.submit(write, name) for name in "abcd"]
            read: list[Any] = []
            with database.reader() as session:
                while not all(task.done() for task in writing):
                    seen, position = read_feed(session, position)
                    read += seen
                for task in writing:
                    task.result()
                seen, position = read_feed(session, position)
                read += seen
                whole, _ = read_feed(session, start_of_log(position.epoch))
        assert sorted(read) == sorted(f"{name}{n}" for name in "abcd" for n in range(15))
        assert read == whole

    def test_ids_of_transactions_are_numbers(self, database: Database, engine: Engine) -> None:
        """As text, 10 comes before 9."""
        say(database, Chain(), "nine", "ten")
        past_the_trigger(
            engine,
            "UPDATE event SET xid = '9' WHERE payload->>'words' = 'nine'",
            "UPDATE event SET xid = '10' WHERE payload->>'words' = 'ten'",
        )
        with database.reader() as session:
            start = start_of_log(current_epoch(session))
            assert read_feed(session, start)[0] == ["nine", "ten"]
            seq = session.scalars(select(func.min(EventRow.seq)).where(EventRow.type == "test.said")).one()
            assert read_feed(session, FeedPosition(start.epoch, 9, seq))[0] == ["ten"]
            assert read_feed(session, FeedPosition(start.epoch, 10, seq + 1))[0] == []

    def test_a_restored_database_is_another_log(self, database: Database, engine: Engine) -> None:
        with database.reader() as session:
            position = start_of_log(current_epoch(session))
        with engine.begin() as connection:
            connection.execute(text("UPDATE event_log_epoch SET epoch = 'restored'"))
        with database.reader() as session, pytest.raises(CursorExpired):
            read_feed(session, position)

    @given(st.from_regex(r"[a-z0-9]{1,40}", fullmatch=True), st.integers(0, 10**18 - 1), st.integers(0, 10**18 - 1))
    def test_cursor_round_trip(self, epoch: str, xid: int, seq: int) -> None:
        position = FeedPosition(epoch, xid, seq)
        assert FeedPosition.decode(position.encode()) == position

    @given(st.text(max_size=40) | st.text("a1.-", max_size=12))
    def test_any_other_text_is_no_cursor(self, text_given: str) -> None:
        try:
            found = FeedPosition.decode(text_given)
        except CursorMismatch:
            return
        assert found.xid >= 0
        assert FeedPosition.decode(found.encode()) == found

    @pytest.mark.parametrize(
        "cursor",
        ["", ".", "a.1", "a.1.", "a..1", "a.1.-1", "a.1.1.1", "a.\u0661.1", ".1.1", "a.1.99999999999999999999"],
    )
    def test_not_a_cursor(self, cursor: str) -> None:
        with pytest.raises(CursorMismatch):
            FeedPosition.decode(cursor)


def test_stream_ids_are_part_of_the_chain(database: Database) -> None:
    """Two streams with the same words have different chains, and one's rows do not verify as the other's."""
    first, second = Chain(), Chain()
    say(database, first, "same")
    say(database, second, "same")
    assert first.event_head != second.event_head
    with database.reader() as session:
        rows = session.scalars(select(EventRow).where(EventRow.stream_id == first.id)).all()
    assert verify_stream(rows, stream_id=second.id, count=1, head=second.event_head) != []
    assert isinstance(first.id, UUID)
