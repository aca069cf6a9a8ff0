# ruff: noqa: RUF001  # Chinese has commas of its own
"""The timeline as it is read: filtered, said in words, withheld where it is not for the reader, and verified.

How it can fail: an event has no words, or in one language only; a value breaks the line (long, a list, none, markup); an
erased payload; what was offered leaks to who may not read offers; a filter lets others through, or the pages of one are
continued with another; somebody tampers with the rows, by hand and past the trigger, in every way there is.
"""

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.complaints import timeline_queries
from helpdesk.complaints.summaries import LANGUAGES, shipped, summary
from helpdesk.contract import event_types
from helpdesk.identity.actors import SYSTEM, complainant_actor
from helpdesk.kernel import log_verification
from helpdesk.kernel.duties import Performer
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.escalating import NEEDED
from helpdesk.sla.notices import NOBODY
from helpdesk.taxonomy.terms import shipped_terms
from helpdesk.wiring import HANDLERS, Program
from tests.complaints.steps import GOOD
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.recovery import helpers
from tests.tampering import past_the_trigger

ON_A_COMPLAINT = (
    "complaint.",
    "offer.",
    "sla.started",
    "recovery.facts_recorded",
    "sla.paused",
    "sla.resumed",
    "sla.recomputed",
    "sla.met",
    "sla.cancelled",
    "sla.warned",
    "sla.breached",
    "sla.overdue",
    "sla.escalat",
    "sla.fact_",
    "sla.rule_decided",
    "sla.regime_chosen",
    "sla.deadline_extended",
    "automation.fired",
    "automation.notified",
    "automation.event_raised",
)
"""Events that are recorded on a complaint's chain."""


class TestWords:
    def test_every_event_has_them_in_every_language(self) -> None:
        told = {kind.type: kind for kind in event_types() if kind.type.startswith(ON_A_COMPLAINT)}
        words = shipped()["events"]
        assert words.keys() == told.keys()
        for name, kind in told.items():
            assert all(words[name][language] for language in LANGUAGES), name
            fields = {*kind.__dataclass_fields__, *(["amount"] if "amount_minor" in kind.__dataclass_fields__ else [])}
            assert set(words[name]["shows"]) <= fields, name

    def test_every_word_is_there_in_every_language(self) -> None:
        for part in ("fields", "words", "signs"):
            for name, words in shipped()[part].items():
                assert words.keys() == set(LANGUAGES), name

    @pytest.mark.parametrize(
        ("kind", "payload", "english", "chinese"),
        [
            (
                "complaint.triaged",
                {"changes": {"severity": ["S3", "S2"], "impact": [None, 4]}},
                "Triaged: severity S3 → S2, impact none → 4",
                "已分级: 严重程度 S3 → S2，影响 无 → 4",
            ),
            ("complaint.resumed", {"changes": {}}, "No longer waiting", "恢复处理"),
            (
                "offer.drafted",
                {"kind": "voucher", "amount_minor": 4000, "currency": "EUR"},
                "Offer drafted: kind voucher, amount 40.00 EUR",
                "已起草补偿方案: 种类 代金券，金额 40.00 EUR",
            ),
            (
                "offer.drafted",
                {"kind": "apology_letter", "amount_minor": None, "currency": None},
                "Offer drafted: kind letter of apology",
                "已起草补偿方案: 种类 道歉信",
            ),
            (
                "complaint.edited",
                {"changes": {"description": ["x" * 200, "short"], "subject": ["a\nb", "<b>"]}},
                "Corrected: description, title a b → <b>",
                "已更正: 描述，标题 a b → <b>",
            ),
            (
                "complaint.need_ended",
                {"changes": {}, "complaint_changes": {"vulnerable": [True, False]}},
                "Need ended: vulnerable yes → no",
                "特殊需要已终止: 弱势人群 是 → 否",
            ),
            (
                "complaint.resolved",
                {"changes": {"status": ["investigated", "resolved"]}, "issues": {"a": {"outcome": [None, "upheld"]}}},
                "Decided: status investigated → decided, issue 1 outcome none → upheld",
                "已作出决定: 状态 已调查 → 已决定，问题 1 结果 无 → 成立",
            ),
            (
                "sla.started",
                {
                    "clocks": [
                        {"kind": "acknowledge", "due_at": "2026-03-02T13:00:00Z"},
                        {"kind": "resolve", "due_at": None, "state": "paused", "remaining_seconds": 11_500},
                    ]
                },
                "Deadlines set: acknowledgement 2026-03-02T13:00:00Z, decision paused, 3 h 12 min left",
                "已设定期限: 确认收到 2026-03-02T13:00:00Z，作出决定 已暂停，剩余 3 小时 12 分钟",
            ),
            (
                "sla.recomputed",
                {"clocks": [{"kind": "resolve", "due_at": "b", "changes": {"due_at": ["a", "b"]}}]},
                "Deadlines recomputed: decision a → b",
                "已重新计算期限: 作出决定 a → b",
            ),
            (
                "sla.recomputed",
                {
                    "clocks": [
                        {"kind": "resolve", "due_at": None, "changes": {"remaining_seconds": [7200, 3600]}},
                        {"kind": "investigate", "due_at": "b", "changes": {"policy_version": [1, 2]}},
                        {"kind": "acknowledge", "due_at": "c", "changes": {"state": ["cancelled", "running"]}},
                    ]
                },
                "Deadlines recomputed: decision paused, 2 h → 1 h left, acknowledgement c (cancelled → running)",
                "已重新计算期限: 作出决定 已暂停，剩余 2 小时 → 1 小时，确认收到 c （已取消 → 计时中）",
            ),
            (
                "sla.recomputed",
                {
                    "clocks": [
                        {"kind": "resolve", "due_at": "b", "changes": {"state": ["breached", "met"]}},
                        {"kind": "investigate", "due_at": "b", "changes": {"state": ["met", "breached"]}},
                        {"kind": "acknowledge", "due_at": "b", "changes": {"state": ["breached", "running"]}},
                    ]
                },
                (
                    "Deadlines recomputed: decision b (broken → kept), investigation b (kept → broken), "
                    "acknowledgement b (broken → running)"
                ),
                "已重新计算期限: 作出决定 b （已超时 → 已按时完成），调查处理 b （已按时完成 → 已超时），确认收到 b （已超时 → 计时中）",
            ),
            (
                "sla.cancelled",
                {
                    "kinds": ["resolve"],
                    "clocks": [{"kind": "resolve", "state": "cancelled", "breach_taken_back": True}],
                },
                "Deadlines cancelled: for decision, breach taken back: decision",
                "期限已取消: 事项 作出决定，撤销超时认定：作出决定",
            ),
            (
                "sla.cancelled",
                {
                    "kinds": [
                        "acknowledge",
                        "first_response",
                        "investigate",
                        "resolve",
                        "uk.housing.ack",
                        "uk.housing.s1",
                    ],
                    "clocks": [],
                },
                (
                    "Deadlines cancelled: for acknowledgement, first answer, investigation, decision, "
                    "uk.housing.ack, uk.housing.s1"
                ),
                "期限已取消: 事项 确认收到, 首次回复, 调查处理, 作出决定, uk.housing.ack, uk.housing.s1",
            ),
            (
                "sla.recomputed",
                {
                    "clocks": [
                        {
                            "kind": "uk.housing.ack",
                            "due_at": "d",
                            "changes": {"stopped_at": ["a", None], "elapsed_seconds": [60, None]},
                        },
                        {
                            "kind": "uk.housing.s1",
                            "due_at": "d",
                            "changes": {"stopped_at": ["a", "b"], "elapsed_seconds": [60, 90]},
                        },
                    ]
                },
                "Deadlines recomputed: uk.housing.ack d (done a → not done), uk.housing.s1 d (done a → done b)",
                "已重新计算期限: uk.housing.ack d （已完成 a → 未完成），uk.housing.s1 d （已完成 a → 已完成 b）",
            ),
            (
                "sla.breached",
                {"clock_id": "x", "kind": "acknowledge", "due_at": "d"},
                "Deadline missed: for acknowledgement, due d",
                "已超过期限: 事项 确认收到，到期时间 d",
            ),
            (
                "sla.regime_chosen",
                {"cause": "facts", "begun": ["uk.fca.ack@1"], "ended": []},
                "Regulatory deadlines chosen anew: cause facts, begun uk.fca.ack@1",
                "已重新确定监管期限: 原因 事实，开始 uk.fca.ack@1",
            ),
            (
                "sla.regime_chosen",
                {"cause": "facts", "begun": [], "moved": ["uk.housing.s1@1"], "ended": []},
                "Regulatory deadlines chosen anew: cause facts, moved uk.housing.s1@1",
                "已重新确定监管期限: 原因 事实，改期 uk.housing.s1@1",
            ),
            (
                "sla.escalation_failed",
                {
                    "step": "raise_level",
                    "kind": "resolve",
                    "rung": "+1 minutes",
                    "detail": "Nobody watches the complaint.",
                },
                (
                    "Escalation failed: step raise the level, kind decision, at 1 business minute after it was due, "
                    "detail nobody watches the complaint"
                ),
                "升级操作失败: 操作 提升升级级别，种类 作出决定，时点 到期后 1 营业分钟，详情 没有人关注此投诉",
            ),
            (
                "sla.recomputed",
                {"clocks": [{"kind": "resolve", "due_at": None, "changes": {"policy_version": [1, 2]}}]},
                "Deadlines recomputed: no deadline moved",
                "已重新计算期限: 期限不变",
            ),
            (
                "sla.met",
                {
                    "clocks": [
                        {"kind": "acknowledge", "late": False, "changes": {"state": ["running", "met"]}},
                        {"kind": "investigate", "late": True, "changes": {"stopped_at": [None, "b"]}},
                    ]
                },
                "Done what was promised: acknowledgement in time, investigation late",
                "已完成承诺事项: 确认收到 按时，调查处理 逾期",
            ),
            ("sla.paused", {"kinds": ["resolve"]}, "Deadlines paused: for decision", "期限已暂停: 事项 作出决定"),
            ("complaint.received", None, "Received (what it said was erased)", "收到 （内容已删除）"),
            ("something.happened_here", {}, "Happened here", "Happened here"),
        ],
    )
    def test_one_line(self, kind: str, payload: dict[str, Any] | None, english: str, chinese: str) -> None:
        assert summary(kind, payload, "en") == english
        assert summary(kind, payload, "zh") == chinese

    def test_what_a_ladder_says_has_words(self) -> None:
        """Its steps, its rungs, and why nobody was told."""
        assert set(NEEDED) | set(NOBODY.values()) <= shipped()["words"].keys()
        for rung in ("-1 minutes", "-30 minutes", "+1 business_days", "+2 business_days"):
            assert "minutes" not in summary("sla.warned", {"rung": rung}, "zh")
            assert "_" not in summary("sla.warned", {"rung": rung}, "en")

    @pytest.mark.parametrize(
        "changes",
        [
            {"tags": [[], ["a", "b"]]},
            {"tags": [None, ["x" * 100]]},
            {"custom": [{"a": 1}, None]},
            {"odd": "no pair"},
            {"odd": [1]},
            {f"field{number}": [1, 2] for number in range(100)},
            {"deep": [[[["a"]]], 1]},
        ],
    )
    def test_odd_values_stay_one_line(self, changes: dict[str, Any]) -> None:
        for language in LANGUAGES:
            line = summary("complaint.edited", {"changes": changes}, language)
            assert "\n" not in line
            assert len(line) < 2_000


def entries(caller: Caller, complaint: dict[str, Any], query: str = "", **headers: str) -> list[dict[str, Any]]:
    answer = caller.get(f"/complaints/{complaint['reference']}/timeline?limit=200{query}", **headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json["items"])


@pytest.fixture
def story(agent: Caller, complaint: dict[str, Any]) -> dict[str, Any]:
    """A complaint with something of everything."""
    path = f"/complaints/{complaint['reference']}"
    for action in ("acknowledge", "triage", "ask_customer", "resume"):
        assert agent.post(f"{path}/actions/{action}", GOOD[action]).status_code == 200
    assert agent.post(f"{path}/messages", {"kind": "internal_note", "body": "Called."}).status_code == 201
    helpers.draft(agent, complaint, {"kind": "apology_letter"})
    return complaint


class TestRead:
    def test_anonymous_and_outsider(
        self, anonymous: Caller, join: Join, database: Database, complaint: dict[str, Any]
    ) -> None:
        outsider = join("agent", team_ids=[make_team(database, "Elsewhere")])
        for path in ("timeline", "timeline/verification"):
            assert anonymous.get(f"/complaints/{complaint['reference']}/{path}").status_code == 401
            assert outsider.get(f"/complaints/{complaint['reference']}/{path}").status_code == 404

    def test_no_complainant(self, database: Database, complaint: dict[str, Any]) -> None:
        actor = complainant_actor(UUID(complaint["id"]), frozenset({"complaint:read"}))
        with database.reader() as session, pytest.raises(NotFound):
            timeline_queries.timeline(session, actor, Page.of({}, "k"), {}, complaint["id"], language="en")

    @pytest.mark.parametrize(
        ("asked", "language"),
        [
            ("", "en"),
            ("zh", "zh"),
            ("zh-CN,en;q=0.5", "zh"),
            ("zh-Hant-TW", "zh"),
            ("fr, zh;q=0.3", "zh"),
            ("fr", "en"),
            ("*", "en"),
            ("en-GB, zh;q=0.9", "en"),
            ("\xff;q=9", "en"),
            ("zh;q=0", "en"),
        ],
    )
    def test_in_the_callers_language(self, agent: Caller, story: dict[str, Any], asked: str, language: str) -> None:
        path = f"/complaints/{story['reference']}/timeline?limit=1"
        answer = agent.get(path, **({"accept_language": asked} if asked else {}))
        first = {"en": "Received: ", "zh": "收到: "}[language]
        assert answer.json["items"][0]["summary"].startswith(first)
        assert answer.headers["Content-Language"] == language
        assert "Accept-Language" in answer.headers["Vary"]

    def test_says_who(self, agent: Caller, story: dict[str, Any]) -> None:
        found = entries(agent, story)
        assert {item["actor_name"] for item in found if item["actor_kind"] == "agent"} == {agent.actor.name}
        assert {item["actor_name"] for item in found if item["actor_kind"] != "agent"} <= {None}

    def test_calls_people_teams_and_codes_by_their_names(
        self, database: Database, agent: Caller, manager: Caller, team: UUID, complaint: dict[str, Any]
    ) -> None:
        path = f"/complaints/{complaint['reference']}"
        elsewhere = {"team_id": str(make_team(database, "Deliveries")), "reason": "A van."}
        assert manager.put(f"{path}/assignment", elsewhere, if_match="*").status_code == 200
        body = {"team_id": str(team), "assignee_id": str(agent.actor.id), "reason": "Knows the depot."}
        assert manager.put(f"{path}/assignment", body, if_match="*").status_code == 200
        assert agent.post(f"{path}/issues", {"category": "DEL", "issue": "DEL.LATE"}).status_code == 201
        lines = {item["type"]: item["summary"] for item in entries(manager, complaint)}
        assigned = lines["complaint.assigned"]
        assert f"→ {agent.actor.name}" in assigned
        assert "team Deliveries → Complaints" in assigned
        assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", " ".join(lines.values()))
        assert "DEL.LATE" not in lines["complaint.issue_added"]
        chinese = {item["type"]: item["summary"] for item in entries(manager, complaint, accept_language="zh")}
        label = next(item["labels"] for item in shipped_terms() if item["code"] == "DEL.LATE")
        assert label["en"] in lines["complaint.issue_added"]
        assert label["zh"] in chinese["complaint.issue_added"]

    def test_filters(self, agent: Caller, story: dict[str, Any]) -> None:
        found = entries(agent, story)
        types = "complaint.triaged,complaint.message_added"
        assert [item["type"] for item in entries(agent, story, f"&type={types}")] == [
            item["type"] for item in found if item["type"] in types.split(",")
        ]
        assert entries(agent, story, "&type=complaint.withdrawn") == []
        assert entries(agent, story, f"&actor_id={agent.id}&actor_kind=agent") == [
            item for item in found if item["actor_id"] == str(agent.id)
        ]
        assert entries(agent, story, "&actor_kind=complainant") == []
        middle = found[3]["occurred_at"]
        later = entries(agent, story, f"&occurred_from={middle}")
        earlier = entries(agent, story, f"&occurred_before={middle}")
        assert [*earlier, *later] == found
        assert later[0]["occurred_at"] == middle

    def test_pages_of_one_filter_are_no_pages_of_another(self, agent: Caller, story: dict[str, Any]) -> None:
        path = f"/complaints/{story['reference']}/timeline?limit=1"
        first = agent.get(f"{path}&type=complaint.message_added").json
        assert first["next_cursor"]
        on = agent.get(f"{path}&type=complaint.message_added&cursor={first['next_cursor']}")
        assert on.json["items"][0]["type"] == "complaint.message_added"
        assert agent.get(f"{path}&cursor={first['next_cursor']}").status_code == 400

    @pytest.mark.parametrize(
        "query",
        [
            "occurred_from=2026-01-01",
            "actor_id=x",
            "type=",
            "type=nix",
            "type=complaint.triaged,nix",
            "from=2026-01-01T00:00:00Z",
        ],
    )
    def test_what_is_no_filter(self, agent: Caller, story: dict[str, Any], query: str) -> None:
        assert agent.get(f"/complaints/{story['reference']}/timeline?{query}").status_code == 422

    def test_offers_are_for_who_may_read_them(self, agent: Caller, story: dict[str, Any], program: Program) -> None:
        assert not any(item["withheld"] for item in entries(agent, story))
        helpers.execute(
            program.database,
            "UPDATE role SET permissions = array_remove(permissions, 'offer:read') WHERE name = 'agent'",
        )
        (offer,) = [item for item in entries(agent, story) if item["type"].startswith("offer.")]
        assert (offer["payload"], offer["withheld"]) == (None, True)
        assert offer["summary"] == "Offer drafted (not for this caller)"

    def test_an_erased_payload(self, agent: Caller, story: dict[str, Any], engine: Engine) -> None:
        past_the_trigger(engine, "UPDATE event SET payload = NULL, salt = NULL WHERE type = 'complaint.triaged'")
        (erased,) = entries(agent, story, "&type=complaint.triaged")
        assert (erased["payload"], erased["withheld"]) == (None, False)
        assert erased["summary"] == "Triaged (what it said was erased)"
        verified = agent.get(f"/complaints/{story['reference']}/timeline/verification").json
        assert [(item["sequence"], item["kind"]) for item in verified["broken"]] == [(erased["sequence"], "erased")]
        assert verified["head"] == entries(agent, story)[-1]["hash"]


OURS = "stream_id = (SELECT id FROM complaint)"
PUT_ON = (
    "INSERT INTO event (id, stream_id, stream_seq, type, subject_id, occurred_at, actor_kind, digest, prev_hash, hash) "
    "SELECT gen_random_uuid(), stream_id, {last} + 1, type, subject_id, occurred_at, actor_kind, digest, hash, "
    "sha256('x') FROM event WHERE {ours} AND stream_seq = {last}"
)


class TestVerification:
    @pytest.mark.parametrize(
        ("statements", "named"),
        [
            (["DELETE FROM event WHERE {ours} AND stream_seq = 3"], {(3, "missing"), (0, "text")}),
            (["DELETE FROM event WHERE {ours} AND stream_seq = {last}"], {("last", "missing")}),
            (
                [
                    "UPDATE event SET stream_seq = 99 WHERE {ours} AND stream_seq = 2",
                    "UPDATE event SET stream_seq = 2 WHERE {ours} AND stream_seq = 3",
                    "UPDATE event SET stream_seq = 3 WHERE {ours} AND stream_seq = 99",
                ],
                {(2, "moved"), (3, "moved")},
            ),
            (["UPDATE event SET actor_kind = 'system' WHERE {ours} AND stream_seq = 1"], {(1, "header")}),
            (["UPDATE event SET payload = '{{}}' WHERE {ours} AND stream_seq = 4"], {(4, "payload")}),
            (
                [PUT_ON],
                {("after", "header"), ("after", "foreign"), ("after", "erased")},
            ),
            (["UPDATE complaint SET event_head = sha256('x')"], {("last", "head")}),
            (["UPDATE complaint SET event_count = event_count - 1"], {("last", "foreign")}),
        ],
    )
    def test_tampering_is_named(
        self,
        agent: Caller,
        story: dict[str, Any],
        program: Program,
        statements: list[str],
        named: set[tuple[Any, str]],
    ) -> None:
        path = f"/complaints/{story['reference']}/timeline/verification"
        before = agent.get(path).json
        assert before == {
            "valid": True,
            "events": before["events"],
            "broken": [],
            "texts": 4,
            "texts_without_digest": 0,
            "head": before["head"],
        }
        last = before["events"]
        past_the_trigger(program.engine, *(one.format(ours=OURS, last=last) for one in statements))
        report = agent.get(path).json
        assert not report["valid"]
        places = {"last": last, "after": last + 1}
        found = {(item["sequence"], item["kind"]) for item in report["broken"]}
        assert found == {(places.get(place, place), kind) for place, kind in named}


class TestWholeLog:
    """`POST /events/verifications`."""

    def test_anonymous_and_agent(self, anonymous: Caller, agent: Caller) -> None:
        assert anonymous.post("/events/verifications").status_code == 401
        assert agent.post("/events/verifications").json["permission"] == "audit:read"

    @pytest.fixture
    def verified(self, join: Join, program: Program) -> Callable[[], dict[str, Any]]:
        auditor = join("auditor")

        def run() -> dict[str, Any]:
            answer = auditor.post("/events/verifications")
            assert (answer.status_code, answer.json["state"]) == (202, "queued")
            assert answer.headers["Location"] == f"/api/v1/jobs/{answer.json['id']}"
            performer = Performer(program.database, HANDLERS, SYSTEM, program.tools)
            duties = helpers.duties(program.database, log_verification.TOPIC)
            performer.perform([*duties, *duties])  # rung for twice
            return dict(auditor.get(answer.headers["Location"]).json)

        return run

    def test_whole(self, verified: Callable[[], dict[str, Any]], story: dict[str, Any], engine: Engine) -> None:
        job = verified()
        assert job["state"] == "done"
        with engine.connect() as connection:
            events = connection.execute(text("SELECT count(*) FROM event")).scalar_one()
        assert job["result"]["events"] == events
        assert job["result"]["streams"] >= 1
        assert (job["result"]["valid"], job["result"]["violations"]) == (True, [])

    def test_broken(self, verified: Callable[[], dict[str, Any]], story: dict[str, Any], engine: Engine) -> None:
        past_the_trigger(engine, f"DELETE FROM event WHERE {OURS} AND stream_seq = 3")
        result = verified()["result"]
        assert not result["valid"]
        first, of_the_message = result["violations"]
        assert first == {
            "check": "chain",
            "subject": f"complaint {story['reference']}",
            "detail": "event 3: is missing",
        }
        assert of_the_message["detail"].endswith("no event knows of it")

    def test_more_than_are_named(self, verified: Callable[[], dict[str, Any]], agent: Caller, engine: Engine) -> None:
        for _ in range(3):
            agent.post("/complaints", complaint_body())
        changed = "UPDATE event SET payload = jsonb_build_object('n', n) FROM generate_series(1, 1) n"
        past_the_trigger(engine, f"{changed} WHERE payload IS NOT NULL")
        result = verified()["result"]
        assert len(result["violations"]) <= log_verification.NAMED
        assert json.dumps(result)

    def test_cancelled_before_it_began(self, join: Join, program: Program) -> None:
        auditor = join("auditor")
        job = auditor.post("/events/verifications").json
        assert auditor.post(f"/jobs/{job['id']}/cancel").json["state"] == "cancelled"
        performer = Performer(program.database, HANDLERS, SYSTEM, program.tools)
        assert performer.perform(helpers.duties(program.database, log_verification.TOPIC))["done"] == 1
        assert auditor.get(f"/jobs/{job['id']}").json["state"] == "cancelled"
        assert helpers.duties(program.database, log_verification.TOPIC) == []
