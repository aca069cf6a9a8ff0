"""What people wrote, held against the digests that the chain has of it.

How it can fail: a text is changed past the program and nobody notices; one is put in, or taken away; the digests of two are
exchanged; a salt is removed, so that nothing can be compared; what was redacted looks tampered with, or can be tried out
with what is left; a correction, a merge, a split or undoing one looks like tampering; what is from before there were digests
looks proven, or tampered with; something written meanwhile does.
"""

import hashlib
from itertools import product
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from helpdesk.complaints import pack_check
from helpdesk.complaints.replaying import IN_THE_EVENT, Replay
from helpdesk.complaints.text_seals import digest, seal
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.complaints.evidence.packing import Archive, made, of
from tests.complaints.merging import merge, new, path_of, unmerge, write
from tests.complaints.test_custom_fields import define, filled
from tests.conftest import Caller
from tests.racing import at_once
from tests.tampering import past_the_trigger

Complaint = dict[str, Any]
SECRET = "PIN 4711"


def report(caller: Caller, complaint: Complaint) -> dict[str, Any]:
    return dict(caller.get(f"{path_of(complaint)}/timeline/verification").json)


def counts(caller: Caller, complaint: Complaint) -> tuple[int, int]:
    found = report(caller, complaint)
    assert found["valid"], found
    return found["texts"], found["texts_without_digest"]


def tampered(engine: Engine, statement: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE complaint_message DISABLE TRIGGER USER"))
        connection.execute(text(statement), values)
        connection.execute(text("ALTER TABLE complaint_message ENABLE TRIGGER USER"))


def named(database: Database) -> list[str]:
    return [f"{item.check}: {item.detail}" for item in violations(database, ["chain"])]


@pytest.fixture
def story(senior: Caller, team: UUID) -> Complaint:
    complaint = new(senior, team)
    html = {"kind": "internal_note", "body_html": "<p>Ask <b>Mia</b></p>"}
    assert senior.post(f"{path_of(complaint)}/messages", html).status_code == 201
    write(senior, complaint, "inbound", f"My {SECRET}")
    return complaint


PUT_IN = (
    "INSERT INTO complaint_message (id, complaint_id, kind, purpose, author_kind, body, salt, created_at) "
    "SELECT gen_random_uuid(), complaint_id, kind, purpose, author_kind, 'Thanks', salt, created_at "
    "FROM complaint_message WHERE kind = 'inbound'"
)


class TestTampering:
    @pytest.mark.parametrize(
        ("statement", "fault"),
        [
            ("UPDATE complaint SET description = 'It was fine.'", "the complaint: its description was changed"),
            ("UPDATE complaint SET subject = description, description = subject", "its subject was changed"),
            ("UPDATE complaint SET text_salt = NULL", "the complaint: its salt was removed"),
            ("UPDATE complaint SET text_salt = 'x'", "its description was changed"),
            ("UPDATE complaint_message SET body = body || '!' WHERE kind = 'inbound'", "its body was changed"),
            ("UPDATE complaint_message SET html = '<p>No</p>' WHERE html IS NOT NULL", "its html was changed"),
            ("UPDATE complaint_message SET html_given = 'No' WHERE html IS NOT NULL", "its html_given was changed"),
            ("UPDATE complaint_message SET html = 'a', html_given = 'a' WHERE html IS NULL", "its html was put in"),
            ("UPDATE complaint_message SET html = NULL, html_given = NULL", "its html was removed"),
            ("UPDATE complaint_message SET salt = NULL WHERE kind = 'inbound'", "its salt was removed"),
            ("DELETE FROM complaint_message WHERE kind = 'inbound'", "it was removed"),
            (PUT_IN, "no event knows of it"),
            ("UPDATE complaint_message SET kind = 'public_reply' WHERE kind = 'internal_note'", "its kind was changed"),
            ("UPDATE complaint_message SET author_id = gen_random_uuid()", "its author was changed"),
            ("UPDATE complaint_message SET author_kind = 'system' WHERE kind = 'inbound'", "its author was changed"),
            ("UPDATE complaint_message SET created_at = now() WHERE kind = 'inbound'", "its time was changed"),
            ("UPDATE complaint_message SET purpose = 'answer' WHERE kind = 'inbound'", "its purpose was changed"),
            ("UPDATE complaint_message SET channel = 'PHONE' WHERE kind = 'inbound'", "its channel was changed"),
            ("UPDATE complaint_message SET mentions = '[1]' WHERE kind = 'internal_note'", "its mentions was changed"),
        ],
    )
    def test_is_named(
        self, senior: Caller, story: Complaint, database: Database, engine: Engine, statement: str, fault: str
    ) -> None:
        assert counts(senior, story) == (3, 0)
        assert named(database) == []
        tampered(engine, statement)
        found = report(senior, story)
        assert not found["valid"]
        assert {item["kind"] for item in found["broken"]} == {"text"}
        assert any(fault in item["what"] for item in found["broken"])
        assert any(fault in item for item in named(database))

    def test_a_message_put_into_another_complaint(
        self, senior: Caller, team: UUID, story: Complaint, database: Database, engine: Engine
    ) -> None:
        """Both sides name it."""
        other = new(senior, team)
        with engine.begin() as connection:
            moved = text("UPDATE complaint_message SET complaint_id = :other WHERE kind = 'inbound' RETURNING id")
            message = connection.execute(moved, {"other": other["id"]}).scalar_one()
        put, unknown = "it was put into another complaint", "no event knows of it"
        for complaint, fault in ((story, put), (other, unknown)):
            assert [item["what"] for item in report(senior, complaint)["broken"]] == [f"message {message}: {fault}"]
        found = {(item.subject, item.detail) for item in violations(database, ["chain"])}
        assert found == {
            (f"complaint {story['reference']}", f"message {message}: {put}"),
            (f"complaint {other['reference']}", f"message {message}: it was put here from another complaint"),
        }

    def test_a_message_put_back_where_a_merge_took_it_from(
        self, senior: Caller, team: UUID, story: Complaint, database: Database, engine: Engine
    ) -> None:
        survivor = new(senior, team)
        merge(senior, story, survivor, silent=True)
        with engine.begin() as connection:
            back = text("UPDATE complaint_message SET complaint_id = :id WHERE body LIKE 'My %'")
            connection.execute(back, {"id": story["id"]})
        (here,), (away,) = (report(senior, one)["broken"] for one in (story, survivor))
        assert here["what"].endswith("it was put here from another complaint")
        assert away["what"].endswith("it was put into another complaint")
        assert len(named(database)) == 2

    def test_the_row_itself_refuses(self, engine: Engine, story: Complaint) -> None:
        """A salt is as little to be changed as the text."""
        with pytest.raises(IntegrityError, match="what was said is never changed"), engine.begin() as connection:
            connection.execute(text("UPDATE complaint_message SET salt = NULL"))

    def test_a_pack_made_of_it_says_so(
        self, senior: Caller, story: Complaint, engine: Engine, program: Program
    ) -> None:
        tampered(engine, "UPDATE complaint_message SET body = 'Thanks' WHERE kind = 'inbound'")
        pack = made(program, senior, story)
        assert [item["kind"] for item in of(pack, "verification.json")["broken"]] == ["text"]
        (fault,) = pack_check.faults(Archive(pack))
        assert "is not what was written" in fault

    @pytest.mark.parametrize(
        "change",
        [
            "status = 'investigated'",
            "severity = 'S1'",
            "escalation_level = 2",
            'custom_fields = \'{"account": "GB99", "load": "7"}\'',
            "custom_fields = '{}'",
            "tags = '{mine}'",
            "team_id = NULL",
            "received_at = received_at - interval '1 day'",
            "language = 'fr'",
            "outcome = 'upheld'",
        ],
    )
    def test_a_column_of_the_complaint(
        self, senior: Caller, manager: Caller, story: Complaint, database: Database, engine: Engine, change: str
    ) -> None:
        define(manager, "account", type="text", max_length=100)
        define(manager, "load", type="number")
        filled(senior, story, account="GB33", load=7)
        assert counts(senior, story) == (3, 0)
        with engine.begin() as connection:
            changed = text(f"UPDATE complaint SET {change} RETURNING reference")
            reference = connection.execute(changed).scalar_one()
        fault = f"the complaint: its {change.partition(' ')[0]} is not what the events say"
        found = report(senior, {"reference": reference})["broken"]
        assert [(item["kind"], item["what"]) for item in found] == [("field", fault)]
        assert [(item.subject, item.detail) for item in violations(database, ["chain"])] == [
            (f"complaint {reference}", fault)
        ]

    def test_a_custom_field_beside_one_that_was_redacted(
        self, senior: Caller, manager: Caller, story: Complaint, engine: Engine, program: Program
    ) -> None:
        define(manager, "account", type="text", max_length=100)
        define(manager, "load", type="number")
        filled(senior, story, account="GB33", load=7)
        for part in ({"part": "custom_field", "custom_field": "account"}, {"part": "subject"}):
            body = part | {"whole": True, "reason": "A number."}
            assert manager.post(f"{path_of(story)}/redact", body, if_match="*").status_code == 200
            assert counts(senior, story) == (3, 0)
            pack = made(program, senior, story)
            assert list(pack_check.faults(Archive(pack))) == []
        with engine.begin() as connection:
            connection.execute(text('UPDATE complaint SET custom_fields = custom_fields || \'{"load": "8"}\''))
        (fault,) = report(senior, story)["broken"]
        assert fault["what"] == "the complaint: its custom_fields is not what the events say"
        assert list(pack_check.faults(Archive(made(program, senior, story)))) == [
            "complaint.json: custom_fields is not what the events say"
        ]
        body = {"part": "custom_field", "custom_field": "load", "whole": True, "reason": "A number."}
        assert manager.post(f"{path_of(story)}/redact", body, if_match="*").status_code == 200

    @pytest.mark.parametrize("way", ["edit", "redact"])
    def test_is_not_made_good_by_what_comes_after(
        self, senior: Caller, manager: Caller, story: Complaint, engine: Engine, way: str
    ) -> None:
        """A correction or a redaction of the subject seals the subject, not the description that somebody changed."""
        tampered(engine, "UPDATE complaint SET description = 'It was fine.'")
        if way == "edit":
            answer = senior.patch(path_of(story), {"subject": "Late"}, if_match="*")
        else:
            body = {"part": "subject", "whole": True, "reason": "A name."}
            answer = manager.post(f"{path_of(story)}/redact", body, if_match="*")
        assert answer.status_code == 200, answer.text
        assert [item["what"] for item in report(senior, story)["broken"]] == [
            "the complaint: its description was changed"
        ]


class TestOrdinaryLife:
    def test_a_correction(self, senior: Caller, story: Complaint, program: Program) -> None:
        change = {"description": "It came late, and wet."}
        assert senior.patch(path_of(story), change, if_match="*").status_code == 200
        assert counts(senior, story) == (3, 0)
        assert list(pack_check.faults(Archive(made(program, senior, story)))) == []

    def test_redacted(
        self, senior: Caller, manager: Caller, story: Complaint, engine: Engine, database: Database, program: Program
    ) -> None:
        """What is left is proven, and with all that is left nobody can try out what was taken."""
        said = senior.get(f"{path_of(story)}/messages?limit=200").json["items"][-1]
        path = f"{path_of(story)}/messages/{said['id']}/redact"
        body = {"strings": [SECRET], "reason": "A PIN."}
        assert manager.post(path, body, if_match="*").status_code == 200
        whole = {"part": "description", "whole": True, "reason": "A PIN."}
        assert manager.post(f"{path_of(story)}/redact", whole, if_match="*").status_code == 200
        assert counts(senior, story) == (3, 0)
        assert named(database) == []
        assert list(pack_check.faults(Archive(made(program, senior, story)))) == []
        with engine.connect() as connection:
            salts = [bytes(row) for row in connection.execute(text("SELECT salt FROM complaint_message")).scalars()]
            salts += [bytes(row) for row in connection.execute(text("SELECT text_salt FROM complaint")).scalars()]
            first = (
                "SELECT payload->'texts'->>'{}' FROM event WHERE type = '{}' AND payload->'texts' ? '{}' ORDER BY seq"
            )
            told = connection.execute(text(first.format("description", "complaint.received", "description"))).scalars()
            heard = connection.execute(text(first.format("body", "complaint.message_added", "body"))).scalars()
            digests = {*told, *heard}
        tried = {
            digest(salt, name, guess)
            for salt, (name, guess) in product(salts, [("body", f"My {SECRET}"), ("description", story["description"])])
        }
        assert not tried & digests
        tampered(engine, "UPDATE complaint_message SET body = 'Thanks' WHERE redactions > 0")
        assert not report(senior, story)["valid"]

    def test_merged_and_parted(
        self, senior: Caller, team: UUID, story: Complaint, engine: Engine, database: Database, program: Program
    ) -> None:
        survivor = new(senior, team)
        merge(senior, story, survivor, silent=True)
        assert counts(senior, survivor) == (4, 0)  # itself, two that came, and what the duplicate said
        pack = made(program, senior, survivor)
        assert list(pack_check.faults(Archive(pack))) == []
        assert len(pack.read("elsewhere.jsonl").splitlines()) == 2
        statement = "UPDATE complaint_message SET body = 'Thanks' WHERE purpose = 'merged_complaint'"
        with engine.begin() as connection:
            was = connection.execute(
                text("SELECT body FROM complaint_message WHERE purpose = 'merged_complaint'")
            ).scalar_one()
        tampered(engine, statement)
        assert not report(senior, survivor)["valid"]
        tampered(engine, "UPDATE complaint_message SET body = :was WHERE purpose = 'merged_complaint'", was=was)
        unmerge(senior, story, silent=True)
        assert counts(senior, survivor) == (1, 0)
        assert counts(senior, story) == (3, 0)
        assert named(database) == []
        for complaint in (survivor, story):
            assert list(pack_check.faults(Archive(made(program, senior, complaint)))) == []

    def test_redacted_while_merged(
        self,
        senior: Caller,
        manager: Caller,
        team: UUID,
        story: Complaint,
        database: Database,
        program: Program,
    ) -> None:
        survivor = new(senior, team)
        merge(senior, story, survivor, silent=True)
        (said,) = [
            item["id"]
            for item in senior.get(f"{path_of(survivor)}/messages?limit=200").json["items"]
            if item["body"] == f"My {SECRET}"
        ]
        path = f"{path_of(survivor)}/messages/{said}/redact"
        assert manager.post(path, {"whole": True, "reason": "A PIN."}, if_match="*").status_code == 200
        unmerge(senior, story, silent=True)
        assert counts(senior, story) == (3, 0)
        assert named(database) == []
        assert list(pack_check.faults(Archive(made(program, senior, story)))) == []

    def test_split(self, senior: Caller, team: UUID, database: Database, program: Program, engine: Engine) -> None:
        issues = [{"category": "DEL", "issue": "DEL.LATE"}, {"category": "COM", "issue": "COM.WAIT"}]
        complaint = new(senior, team, issues=issues)
        moved, copied = (write(senior, complaint, "inbound", body)["id"] for body in ("Moved", "Copied"))
        body = {
            "issues": [complaint["issues"][1]["id"]],
            "move_messages": [moved],
            "copy_messages": [copied],
            "reason": "Another team's.",
            "silent": True,
        }
        answer = senior.post(f"{path_of(complaint)}/split", body)
        assert answer.status_code == 201, answer.text
        assert counts(senior, complaint) == (2, 0)
        assert counts(senior, answer.json) == (3, 0)
        assert named(database) == []
        for one in (complaint, answer.json):
            assert list(pack_check.faults(Archive(made(program, senior, one)))) == []
        tampered(engine, "UPDATE complaint_message SET body = 'Thanks' WHERE body = 'Moved'")
        assert [item["sequence"] for item in report(senior, answer.json)["broken"]] == [0]
        assert report(senior, complaint)["valid"]

    def test_written_meanwhile(self, senior: Caller, story: Complaint) -> None:
        def reads() -> list[Any]:
            return [report(senior, story)["broken"] for _ in range(5)]

        def writes() -> list[Any]:
            return [write(senior, story, "internal_note", "More.") and [] for _ in range(5)]

        for outcome in at_once(reads, writes):
            assert outcome == [[]] * 5


class TestFromBefore:
    def test_has_none_and_is_said_to(
        self, senior: Caller, manager: Caller, story: Complaint, engine: Engine, database: Database, program: Program
    ) -> None:
        tampered(engine, "UPDATE complaint_message SET salt = NULL")
        tampered(engine, "UPDATE complaint SET text_salt = NULL")
        # As rows and events were that the version before had written; the chain's digests are of no matter here.
        past_the_trigger(engine, "UPDATE event SET payload = payload - 'texts' - 'message_texts'")
        found = report(senior, story)
        assert (found["texts"], found["texts_without_digest"]) == (0, 3)
        assert {item["kind"] for item in found["broken"]} == {"payload"}
        assert not any(item.startswith("text") for item in named(database))
        pack = made(program, senior, story)
        assert (pack_check.Texts(Archive(pack)).silent, pack_check.Texts(Archive(pack)).wrong) == (4, [])
        assert senior.patch(path_of(story), {"subject": "Late"}, if_match="*").status_code == 200
        body = {"whole": True, "reason": "A PIN."}
        said = senior.get(f"{path_of(story)}/messages?limit=200").json["items"][-1]
        path = f"{path_of(story)}/messages/{said['id']}/redact"
        assert manager.post(path, body, if_match="*").status_code == 200
        found = report(senior, story)
        assert (found["texts"], found["texts_without_digest"]) == (2, 1)

    def test_a_redaction_that_did_not_name_what_it_erased(
        self, senior: Caller, manager: Caller, story: Complaint, engine: Engine, database: Database
    ) -> None:
        """It says how many they were, and so many before it are accounted for; the texts they told of have no digest."""
        define(manager, "account", type="text", max_length=100)
        filled(senior, story, account="GB33")
        whole = {"part": "custom_field", "custom_field": "account", "whole": True, "reason": "A number."}
        assert manager.post(f"{path_of(story)}/redact", whole, if_match="*").status_code == 200
        assert counts(senior, story) == (3, 0)
        told = "payload - 'erased' - 'carried' || '{\"texts\": {}}'"
        past_the_trigger(engine, f"UPDATE event SET payload = {told} WHERE type = 'complaint.text_redacted'")
        (fault,) = report(senior, story)["broken"]
        assert fault["kind"] == "payload"  # what this test did to it
        assert report(senior, story)["texts_without_digest"] == 1
        past_the_trigger(engine, ERASE.format("type = 'complaint.message_added' AND payload->>'kind' = 'inbound'"))
        kinds = [item["kind"] for item in report(senior, story)["broken"]]
        assert sorted(kinds) == ["erased", "payload"]


ERASE = "UPDATE event SET payload = NULL, salt = NULL WHERE {}"


class TestErased:
    """What an event said is gone, and no redaction says why."""

    @pytest.mark.parametrize(
        "which", ["type = 'complaint.message_added'", "type = 'complaint.received'", "stream_seq = 2"]
    )
    def test_is_refused(self, engine: Engine, story: Complaint, which: str) -> None:
        refused = pytest.raises(IntegrityError, match="only where an event of the same transaction says so")
        with refused, engine.begin() as connection:
            connection.execute(text(ERASE.format(f"stream_id = '{story['id']}' AND {which}")))

    def test_is_named(
        self, senior: Caller, story: Complaint, engine: Engine, database: Database, program: Program
    ) -> None:
        past_the_trigger(engine, ERASE.format(f"stream_id = '{story['id']}' AND stream_seq = 1"))
        with engine.begin() as connection:
            connection.execute(text("UPDATE complaint SET description = 'It was fine.'"))
        (fault,) = report(senior, story)["broken"]
        assert (fault["sequence"], fault["kind"]) == (1, "erased")
        (violation,) = violations(database, ["chain"])
        assert violation.subject == f"complaint {story['reference']}"
        assert violation.detail == "event 1: payload was erased, and no event accounts for it"
        pack = made(program, senior, story)
        assert of(pack, "verification.json")["broken"] == [fault]

    def test_one_beside_a_redaction_that_names_another(
        self, senior: Caller, manager: Caller, story: Complaint, engine: Engine
    ) -> None:
        change = {"subject": "Mia's parcel", "language": "en"}
        assert senior.patch(path_of(story), change, if_match="*").status_code == 200
        body = {"part": "subject", "whole": True, "reason": "A name."}
        assert manager.post(f"{path_of(story)}/redact", body, if_match="*").status_code == 200
        assert counts(senior, story) == (3, 0)
        with engine.connect() as connection:
            named = "SELECT payload->'erased' FROM event WHERE type = 'complaint.text_redacted'"
            (places,) = connection.execute(text(named)).scalar_one().values()
        assert len(places) == 1
        past_the_trigger(engine, ERASE.format(f"stream_id = '{story['id']}' AND stream_seq = 2"))
        assert [item["sequence"] for item in report(senior, story)["broken"] if item["kind"] == "erased"] == [2]

    def test_what_an_erased_event_told_of_others_goes_on(
        self, senior: Caller, manager: Caller, story: Complaint, engine: Engine, database: Database
    ) -> None:
        """A redaction that takes what a message's own event says: who wrote what is known all the same."""
        said = write(senior, story, "internal_note", "message of the internal_note")
        body = {"strings": ["internal_note"], "reason": "A test."}
        path = f"{path_of(story)}/messages/{said['id']}/redact"
        assert manager.post(path, body, if_match="*").json["erased_events"] == 1
        assert counts(senior, story) == (4, 0)
        tampered(engine, f"UPDATE complaint_message SET kind = 'public_reply' WHERE id = '{said['id']}'")
        assert [item["what"] for item in report(senior, story)["broken"]] == [
            f"message {said['id']}: its kind was changed"
        ]
        tampered(engine, f"DELETE FROM complaint_message WHERE id = '{said['id']}'")
        assert any("it was removed" in item for item in named(database))


def test_a_complaint_from_before_its_columns_were_told() -> None:
    """What its first event names is held against the row, and anything else from its first change on."""
    complaint_id = UUID(int=1)
    told = dict.fromkeys(IN_THE_EVENT) | {"severity": "S3"}
    events = [("complaint.received", told), ("complaint.triaged", {"changes": {"impact": [None, 2]}})]
    replay = Replay(complaint_id)
    for place, (kind, payload) in enumerate(events, start=1):
        row = {"stream_id": complaint_id, "stream_seq": place, "type": kind, "payload": payload, "salt": None}
        replay.hear(SimpleNamespace(**row))
    assert replay.known().keys() == {*IN_THE_EVENT, "status", "waiting_on", "impact"}
    assert (replay.known()["severity"].value, replay.known()["impact"].value) == ("S3", 2)


def test_a_bare_python_computes_the_same() -> None:
    salt, words = b"\0salt", "Käse \U0001f9c0 \0"
    assert seal(salt, {"body": words, "html": None}) == {"body": pack_check.digest_of(salt.hex(), "body", words)}
    assert digest(salt, "body", words) == hashlib.sha256(salt + b"body\0" + words.encode()).hexdigest()
