"""Training, as a job.

How it can fail: it learns what nobody judged (a form's choice, another system's, a rule's), what was dismissed, merged or
redacted, or a judgement that was taken back; a subject that an import made of the category's own columns teaches the model
to read that; names of people stay in it; redacted words survive in an older version; two at once make two versions; a
worker dies half-way and leaves none, or half of one; a cancelled one comes into use; the schedule begins it again and
again; old versions pile up.
"""

import os
import re
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import text as sql

from helpdesk.complaints import intake
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel import faults
from helpdesk.kernel.unit_of_work import Database
from helpdesk.schedule import SWEEPS
from helpdesk.suggestions import queries, training, training_jobs
from helpdesk.suggestions.classifier import unpacked
from helpdesk.suggestions.queries import Example
from helpdesk.taxonomy.in_force import forget
from helpdesk.wiring import Program
from tests.complaints.submitting import Page
from tests.conftest import Caller
from tests.racing import at_once
from tests.recovery import helpers
from tests.suggestions.examples import arrived, body, suggested, teach, text, trained, triage
from tests.taxonomy.helpers import add, retire

AS_OF_TODAY: Final = "UPDATE job SET created_at = now() + interval '1 minute'"
"""Whatever the time: a day of the schedule begins at two o'clock UTC, which may come while a test runs."""


def learned_from(database: Database) -> dict[UUID, Example]:
    with database.snapshot() as session:
        return {one.id: one for batch in queries.examples(session, 1_000, 7) for one in batch}


def entered(database: Database, category: str | None, actor: Actor = SYSTEM, **more: Any) -> UUID:
    with database.unit_of_work(actor) as uow:
        kept = {name: more.pop(name) for name in ("source_data",) if name in more}  # by an import only
        return intake.receive(uow, actor, ComplaintIn().load(body(category, "The parcel is late.", **more)) | kept)


def versions(database: Database) -> list[int]:
    with database.reader() as session:
        return [kept.version for kept in queries.kept_versions(session)]


def words_known(database: Database) -> set[str]:
    """By any version that is kept."""
    with database.reader() as session:
        packets = [queries.content_of(session, kept.id) for kept in queries.kept_versions(session)]
    return {word for packet in packets if packet is not None for word in unpacked(*packet).words}


def due(database: Database) -> bool:
    return bool(helpers.scalar(database, training_jobs.DUE))


class TestWhatCounts:
    def test_what_an_agent_judged_last(self, agent: Caller, database: Database) -> None:
        complaint = arrived(agent, "The parcel is late.")
        assert learned_from(database) == {}
        triage(agent, complaint, "DEL", "DEL.LATE")
        triage(agent, complaint, "BIL", "BIL.FEE")
        (one,) = learned_from(database).values()
        assert (one.category, one.subject, one.description) == ("BIL", "Complaint", "The parcel is late.")
        assert one.names == ["Li Wei", "li.wei@example.com"]

    def test_what_was_entered_or_imported_with_a_category(self, agent: Caller, database: Database) -> None:
        by_hand = entered(database, "DEL", agent.actor)
        code_alone = entered(database, None, issues=[{"issue": "PRV.FRAUD"}])
        imported = entered(database, "BIL", source="crm")
        found = learned_from(database)
        assert {key: one.category for key, one in found.items()} == {
            by_hand: "DEL",
            code_alone: "PRV",
            imported: "BIL",
        }
        assert (found[by_hand].subject, found[imported].subject) == ("Complaint", None)

    def test_not_what_nobody_judged(self, agent: Caller, admin: Caller, anonymous: Caller, database: Database) -> None:
        entered(database, None)
        entered(database, "DEL", Actor(kind="integration", permissions=SYSTEM.permissions, scope="everything"))
        made_up = {"_import": {"description": "made from Product, Issue"}}
        entered(database, "DEL", source="crm", source_data=made_up)
        form = {"name": "Shop", "difficulty": 0, "fields": {"category": "optional"}}
        answer = admin.post("/intake/forms", form)
        assert answer.status_code == 201, answer.text
        page = Page(anonymous, answer.json)
        assert page.send(page.body(category="DEL")).status_code == 201
        assert learned_from(database) == {}
        (reference,) = [row["reference"] for row in agent.get("/complaints?channel=WEB").json["items"]]
        triage(agent, {"reference": reference}, "DEL", "DEL.LATE")  # now somebody has
        assert len(learned_from(database)) == 1

    def test_not_what_was_dismissed_merged_or_redacted(
        self, agent: Caller, senior: Caller, manager: Caller, database: Database
    ) -> None:
        kept, spam, duplicate, redacted = (arrived(agent, "The parcel is late, I am Zoe.") for _ in range(4))
        for complaint in (kept, spam, duplicate, redacted):
            triage(agent, complaint, "DEL", "DEL.LATE")
        assert len(learned_from(database)) == 4
        path = "/complaints/{}"
        done = senior.post(path.format(f"{spam['reference']}/actions/dismiss"), {"reason_code": "spam"})
        assert done.status_code == 200
        merge = {"into": kept["reference"], "reason": "Written twice."}
        assert senior.post(path.format(f"{duplicate['reference']}/merge"), merge).status_code == 201
        cut = {"part": "description", "strings": ["Zoe"], "reason": "A name."}
        done = manager.post(path.format(f"{redacted['reference']}/redact"), cut, if_match="*")
        assert done.status_code == 200, done.text
        assert list(learned_from(database)) == [UUID(kept["id"])]

    def test_the_newest_up_to_a_bound(self, database: Database) -> None:
        ids = teach(database, 5)
        with database.snapshot() as session:
            found = [one.id for batch in queries.examples(session, 4, 3) for one in batch]
        assert found == sorted(ids, reverse=True)[:4]

    def test_names_do_not_stay(self, program: Program, manager: Caller) -> None:
        """One person who complains often, and signs."""
        teach(program.database, complainant={"name": "Zebulon Quixley", "email": "zq@quixley.example"})
        with program.database.unit_of_work(SYSTEM) as uow:
            for number in range(5):
                said = f"{text('DEL', number)} yours Zebulon Quixley"
                given = body("DEL", said, complainant={"name": "Zebulon Quixley"})
                intake.receive(uow, SYSTEM, ComplaintIn().load(given))
        trained(program, manager)
        known = words_known(program.database)
        assert "yours" in known
        assert {"zebulon", "quixley", "zq"}.isdisjoint(known)


class TestTaxonomy:
    """Categories are the operator's to change."""

    def test_a_retired_one_is_suggested_no_more_by_model_or_list(
        self, program: Program, agent: Caller, manager: Caller
    ) -> None:
        teach(program.database)
        trained(program, manager)
        said = f"{text('DEL', 1)} they were rude"
        complaint = arrived(agent, said)
        assert [one["category"] for one in suggested(agent, complaint)["suggestions"]][:1] == ["DEL"]
        for code in ("DEL", "STF"):
            assert retire(manager, "category", code).status_code == 200
        forget()  # what another process sees after a second
        shown = suggested(agent, complaint)["suggestions"]
        assert {"DEL", "STF"}.isdisjoint(one["category"] for one in shown)
        (row,) = [item for item in manager.get("/category-model").json["categories"] if item["code"] == "DEL"]
        assert (row["label"], row["examples"]) == (None, 20)
        assert trained(program, manager) == {"trained": False, "examples": 40, "needed": 50}

    def test_a_new_one_is_learned(self, program: Program, agent: Caller, manager: Caller) -> None:
        add(manager, "category", "GAS", labels={"en": "Gas supply", "zh": "燃气"})
        add(manager, "issue", "GAS.LEAK")
        forget()
        teach(program.database)
        for number in range(5):
            complaint = arrived(agent, f"smell of gas at the meter {number} and the boiler is off")
            triage(agent, complaint, "GAS", "GAS.LEAK")
        assert trained(program, manager)["examples"] == 65
        (first, *_) = suggested(agent, arrived(agent, "The meter smells of gas!"), accept_language="zh")["suggestions"]
        assert (first["category"], first["label"], first["basis"]) == ("GAS", "燃气", "model")


class TestJob:
    def test_too_little(self, program: Program, manager: Caller) -> None:
        teach(program.database, 16)
        assert trained(program, manager) == {"trained": False, "examples": 48, "needed": 50}
        assert versions(program.database) == []

    def test_one_category_is_too_little_however_many(self, program: Program, manager: Caller) -> None:
        teach(program.database, 60, ("DEL",))
        assert trained(program, manager)["trained"] is False

    def test_texts_without_words_teach_nothing(self, program: Program, manager: Caller) -> None:
        with program.database.unit_of_work(SYSTEM) as uow:
            for number in range(60):
                given = body("DEL" if number % 2 else "BIL", f"{number}", subject="4711")
                intake.receive(uow, SYSTEM, ComplaintIn().load(given))
        assert trained(program, manager) == {"trained": False, "examples": 60, "needed": 50}

    def test_the_same_complaints_give_the_same_bytes(self, program: Program, manager: Caller) -> None:
        teach(program.database)
        first, second = trained(program, manager), trained(program, manager)
        assert (first["version"], second["version"]) == (1, 2)
        assert helpers.scalar(program.database, "SELECT count(DISTINCT content) FROM category_model") == 1
        told = helpers.scalar(
            program.database, "SELECT payload FROM event WHERE type = 'category_model.trained' ORDER BY seq LIMIT 1"
        )
        assert (told["version"], told["examples"], told["trained_by"]) == (1, 60, str(manager.id))
        assert 0 < told["right"] <= told["held_out"]

    def test_one_at_a_time(self, program: Program, manager: Caller) -> None:
        teach(program.database)
        answers = at_once(*[lambda: helpers.another(manager).post("/category-model/trainings") for _ in range(3)])
        assert sorted(answer.status_code for answer in answers) == [202, 409, 409]
        begun = next(answer.json["id"] for answer in answers if answer.status_code == 202)
        for answer in answers:
            if answer.status_code == 409:
                assert (answer.json["code"], answer.json["job_id"]) == ("training_in_progress", begun)
        assert manager.get("/category-model").json["training_job_id"] == begun
        assert training_jobs.begin_due(program.database) == 0
        helpers.perform(program, training.TOPIC)
        assert manager.get("/category-model").json["training_job_id"] is None
        assert manager.post("/category-model/trainings").status_code == 202

    def test_two_workers_make_one_version(self, program: Program, manager: Caller) -> None:
        """Past the fence, as after a lock that was lost; and a third time when it has ended."""
        teach(program.database)
        job = manager.post("/category-model/trainings").json
        (duty,) = helpers.duties(program.database, training.TOPIC)
        at_once(*[lambda: training_jobs.train(program.tools, duty, UUID(job["id"])) for _ in range(2)])
        assert versions(program.database) == [1]
        training_jobs.train(program.tools, duty, UUID(job["id"]))
        assert versions(program.database) == [1]
        assert helpers.duties(program.database, training.TOPIC) == []

    def test_a_cancelled_one_does_not_come_into_use(self, program: Program, manager: Caller) -> None:
        teach(program.database)
        job = manager.post("/category-model/trainings").json
        assert manager.post(f"/jobs/{job['id']}/cancel").status_code == 200
        helpers.perform(program, training.TOPIC)
        assert versions(program.database) == []
        assert helpers.duties(program.database, training.TOPIC) == []

    def test_cancelled_while_it_reads(self, program: Program, manager: Caller) -> None:
        teach(program.database)
        job = manager.post("/category-model/trainings").json
        helpers.execute(program.database, "UPDATE job SET state = 'running', started_at = now()")
        assert manager.post(f"/jobs/{job['id']}/cancel").status_code == 200
        with pytest.raises(training_jobs._NotWanted):
            training_jobs._train(program.database, UUID(int=1), UUID(job["id"]))
        assert versions(program.database) == []

    @pytest.mark.parametrize("place", training_jobs.FAULT_POINTS)
    def test_the_worker_dies_on_the_way(self, program: Program, agent: Caller, manager: Caller, place: str) -> None:
        teach(program.database)
        trained(program, manager)
        job = manager.post("/category-model/trainings").json
        child = os.fork()
        if child == 0:
            os.environ[faults.VARIABLE] = place
            try:
                helpers.perform(program, training.TOPIC)
            finally:
                os._exit(1)  # it did not come so far
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == faults.EXIT_STATUS
        assert versions(program.database) == [1]
        assert suggested(agent, arrived(agent, text("DEL", 1)))["model"]["version"] == 1
        helpers.execute(program.database, "UPDATE duty SET next_at = now()")
        helpers.perform(program, training.TOPIC)
        assert versions(program.database) == [2, 1]
        assert manager.get(f"/jobs/{job['id']}").json["state"] == "done"

    def test_the_last_versions_are_kept(self, program: Program, manager: Caller) -> None:
        teach(program.database)
        for _ in range(training.VERSIONS + 2):
            trained(program, manager)
        assert versions(program.database) == [7, 6, 5, 4, 3]
        shown = manager.get("/category-model/versions?limit=2").json
        assert [item["version"] for item in shown["items"]] == [7, 6]
        shown = manager.get(f"/category-model/versions?limit=2&cursor={shown['next_cursor']}").json
        assert [item["version"] for item in shown["items"]] == [5, 4]


class TestSchedule:
    def sweep(self, program: Program) -> int:
        """As the scheduler does: only where it is due."""
        entry = SWEEPS["suggestions.train"]
        assert entry.due == training_jobs.DUE
        begun = entry.work(program) if due(program.database) else 0
        helpers.perform(program, training.TOPIC)
        return begun

    def test_once_a_day_where_anything_changed(self, program: Program, admin: Caller) -> None:
        assert self.sweep(program) == 0  # an empty system has nothing to learn
        teach(program.database)
        assert self.sweep(program) == 1
        assert versions(program.database) == [1]
        assert admin.get("/category-model").json["in_use"]["trained_by"] is None
        teach(program.database, 1)
        helpers.execute(program.database, AS_OF_TODAY)
        assert self.sweep(program) == 0
        yesterday = "UPDATE job SET created_at = created_at - interval '1 day', started_at = NULL"
        helpers.execute(program.database, yesterday)
        assert self.sweep(program) == 1
        helpers.execute(program.database, yesterday)
        assert self.sweep(program) == 0  # nothing changed since

    def test_too_little_is_tried_once_a_day_too(self, program: Program) -> None:
        teach(program.database, 1)
        assert self.sweep(program) == 1
        helpers.execute(program.database, AS_OF_TODAY)
        assert self.sweep(program) == 0

    def test_redacted_words_are_gone_from_every_version(self, program: Program, agent: Caller, manager: Caller) -> None:
        """Three complaints named the same secret, so it was learned. One of them is redacted: the other two are too few."""
        teach(program.database)
        told = [arrived(agent, f"{text('DEL', number)} xylograph") for number in range(3)]
        for complaint in told:
            triage(agent, complaint, "DEL", "DEL.LATE")
        for _ in range(2):
            trained(program, manager)
        assert "xylograph" in words_known(program.database)
        helpers.execute(program.database, "UPDATE category_model SET created_at = now() + interval '1 minute'")
        assert self.sweep(program) == 0
        cut = {"part": "description", "strings": ["xylograph"], "reason": "Asked for."}
        path = f"/complaints/{told[0]['reference']}/redact"
        assert manager.post(path, cut, if_match="*").status_code == 200
        assert self.sweep(program) == 1
        assert versions(program.database) == [3]
        assert "xylograph" not in words_known(program.database)
        assert self.sweep(program) == 0

    def test_where_too_little_is_left_nothing_stays(self, program: Program, agent: Caller, manager: Caller) -> None:
        last = [*teach(program.database, 16), *teach(program.database, 1, ("DEL", "BIL"))][-1]
        assert trained(program, manager)["trained"] is True
        cut = {"part": "description", "whole": True, "reason": "Asked for."}
        assert manager.post(f"/complaints/{last}/redact", cut, if_match="*").status_code == 200
        assert self.sweep(program) == 1
        assert versions(program.database) == []
        assert suggested(agent, arrived(agent, "parcel"))["model"] is None

    def test_looks_at_little(self, program: Program) -> None:
        """What the scheduler asks every ten minutes goes through no table of complaints or jobs."""
        with program.database.reader() as session:
            session.execute(sql("SET enable_seqscan = off"))
            plan = "\n".join(session.execute(sql(f"EXPLAIN (COSTS OFF) {training_jobs.DUE}")).scalars())
            session.execute(sql("RESET enable_seqscan"))
        assert not re.search(r"Seq Scan on (complaint|job)\b", plan), plan
        assert "ix_complaint_updated_at_id" in plan
        assert re.search(r"ix_job_(created_by_|kind_)?created_at_id", plan)
