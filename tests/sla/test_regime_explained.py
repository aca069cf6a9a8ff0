"""How a regulator's clock is explained.

How it can fail: a deadline that a notice has moved looks as if the rule had said so; a rule's months are told as days, its hours as
business minutes; days of 24 hours are told as hours.
"""

from datetime import timedelta

from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.regime_rules import shipped
from helpdesk.sla.telling import LANGUAGES, _phrases
from tests.conftest import Caller
from tests.sla.regulated import DAY, HOUSING, Regulated
from tests.sla.test_explaining import explained
from tests.sla.watching import MONDAY

S1 = "uk.housing.s1"


def in_stage_one(database: Database, **more: object) -> Regulated:
    story = Regulated(database, MONDAY, **HOUSING, **more)
    story.act("acknowledge", MONDAY + DAY, channel="LETTER")
    return story


def test_every_milestone_that_ships_has_words() -> None:
    words = _phrases()
    for rule in shipped()["rule"]:
        assert words[f"milestone_{rule['milestone']}"].keys() == set(LANGUAGES)


class TestExtended:
    def test_the_rules_own_amount_and_what_the_notice_added(self, database: Database, agent: Caller) -> None:
        story = in_stage_one(database)
        found = explained(agent, story.id, S1)
        assert (found["promised"], found["extensions"]) == ({"amount": 10, "unit": "business_days"}, [])
        story.extend(S1, MONDAY + 2 * DAY)
        found = explained(agent, story.id, S1)
        assert found["promised"] == {"amount": 10, "unit": "business_days"}
        assert found["extensions"] == [{"number": 1, "added": 10, "amount": 20, "given_at": "2026-03-04T09:00:00Z"}]
        assert found["text"].startswith("Promised: the response of stage 1 within 10 business days, counted from")
        assert "The notice of 2026-03-04 extended it by 10, to 20 business days." in found["text"]
        chinese = explained(agent, story.id, S1, accept_language="zh")["text"]
        assert "第一阶段答复" in chinese
        assert "时限 10 个工作日" in chinese
        assert "2026-03-04 的通知将其延长 10" in chinese

    def test_the_clock_of_a_notice_speaks_of_the_notice(self, database: Database, agent: Caller) -> None:
        story = in_stage_one(database)
        story.extend(S1, MONDAY + 2 * DAY)
        found = explained(agent, story.id, f"{S1}/notice.1")
        assert found["text"].startswith(
            "Promised: the notice of extension 1 (the response of stage 1) within 10 business days"
        )
        assert "It was kept at 2026-03-04 09:00" in found["text"]
        chinese = explained(agent, story.id, f"{S1}/notice.1", accept_language="zh")["text"]
        assert "第 1 次延期通知" in chinese
        assert "第一阶段答复" in chinese

    def test_of_the_second_notice(self, database: Database, agent: Caller) -> None:
        story = Regulated(database, jurisdiction="CN", sector="bank")
        for days in (1, 2):
            story.extend("cn.bank.15", MONDAY + days * DAY)
        found = explained(agent, story.id, "cn.bank.15/notice.2")
        assert [item["given_at"] for item in found["extensions"]] == ["2026-03-03T09:00:00Z"]

    def test_one_that_came_too_late(self, database: Database, agent: Caller) -> None:
        story = Regulated(database, **HOUSING)
        story.fact("acknowledgement_sent", MONDAY + 14 * DAY)
        story.extend(S1, MONDAY + 22 * DAY)
        story.fact("acknowledgement_sent", MONDAY + 23 * DAY, MONDAY + DAY)
        found = explained(agent, story.id, S1)
        assert (found["extensions"], found["promised"]["amount"]) == ([], 10)
        assert (
            "The notice of 2026-03-24 came after the deadline, as that is known now, and moved nothing."
            in found["text"]
        )
        told = explained(agent, story.id, f"{S1}/notice.1")["text"]
        assert "The notice of 2026-03-24 09:00 came after the deadline that it was to move" in told

    def test_as_often_as_there_were_notices(self, database: Database, agent: Caller) -> None:
        story = Regulated(database, jurisdiction="CN", sector="bank")
        for days in (1, 2):
            story.extend("cn.bank.15", MONDAY + days * DAY)
        found = explained(agent, story.id, "cn.bank.15")
        assert [(item["added"], item["amount"]) for item in found["extensions"]] == [(15, 30), (30, 60)]
        assert found["promised"] == {"amount": 15, "unit": "calendar_days"}

    def test_after_reopening_and_splitting(self, database: Database, agent: Caller) -> None:
        """The notice of an earlier round, and that of the complaint that a part comes from, is told as the clock's own."""
        story = in_stage_one(database, issues=[{"category": "DEL"}, {"category": "COM"}])
        story.extend(S1, MONDAY + 2 * DAY)
        part = story.split(MONDAY + 3 * DAY)
        (extension,) = explained(agent, part.id, S1)["extensions"]
        assert extension == {"number": 1, "added": 10, "amount": 20, "given_at": "2026-03-04T09:00:00Z"}
        assert "The notice of 2026-03-04 extended it by 10, to 20 business" in explained(agent, part.id, S1)["text"]
        story.act("withdraw", MONDAY + 4 * DAY, reason="They moved.")
        story.act("reopen", MONDAY + 5 * DAY, reason="They did not.")
        (extension,) = explained(agent, story.id, S1, 2)["extensions"]
        assert extension["given_at"] == "2026-03-04T09:00:00Z"


class TestUnits:
    def test_working_days_of_24_hours_are_days(self, database: Database, agent: Caller) -> None:
        story = in_stage_one(database)
        story.decided(MONDAY + 3 * DAY)
        assert "after 2 d of 10 d 15 h;" in explained(agent, story.id, S1)["text"]

    def test_nothing_of_days_is_no_days(self, database: Database, agent: Caller) -> None:
        story = Regulated(database, jurisdiction="DE", sector="airline")
        story.fact("passenger_chooses_refund", MONDAY)
        story.fact("refund_paid", MONDAY + timedelta(days=1), MONDAY)
        assert "after 0 d of 7 d 14 h;" in explained(agent, story.id, "eu.261.refund")["text"]

    def test_hours_and_months_as_the_rule_has_them(self, database: Database, agent: Caller) -> None:
        story = Regulated(database, jurisdiction="AU", sector="financial")
        found = explained(agent, story.id, "au.asic.ack")
        assert found["promised"] == {"amount": 24, "unit": "hours"}
        assert "within 24 hours, counted from 2026-03-02 20:00 on the wall clock (Australia/Sydney)" in found["text"]
        story = Regulated(database, jurisdiction="US", sector="credit card")
        found = explained(agent, story.id, "us.regz.resolve")
        assert found["promised"] == {"amount": 2, "unit": "months"}
        assert "within 2 months, counted from" in found["text"]
