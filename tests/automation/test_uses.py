"""What names a thing is named when the thing is to go: one table over all that can go, of all that can name it.

How it can fail: something goes, and whoever named it is refused from then on, or silently does nothing; of several that name
it only the first is told; what is somebody's own, and nobody else can mend, keeps everybody from tidying up; what is out of force
does; a new way to delete something is not thought of here.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from tests.automation.rules import body
from tests.conftest import Caller, Join
from tests.contract.document import committed

Made = dict[str, Any]


_SPAN = (("starts_at", 0), ("ends_at", 1))


class Office:
    """Who makes what may go, and what may name it."""

    def __init__(self, admin: Caller, join: Join, team: UUID) -> None:
        self.admin, self.join, self.team = admin, join, str(team)

    def make(self, path: str, given: Made) -> Made:
        answer = self.admin.post(path, given)
        assert answer.status_code == 201, answer.text
        return dict(answer.json)

    def form(self, channel: str) -> Made:
        return self.make("/intake/forms", {"name": "Kiosk", "channel": channel})

    def rule(self, field: str, value: Any, operator: str = "is") -> Made:
        condition = {"any": [{"not": {"field": field, "operator": operator, "value": value}}]}
        result = {"team_id": self.team, "strategy": "queue_only"}
        return self.make("/routing/rules", {"name": "Rule", "condition": condition, "result": result})

    def policy(self, field: str, value: Any, operator: str = "is", name: str = "Policy") -> Made:
        condition = {"all": [{"field": field, "operator": operator, "value": value}]}
        targets = {"S3": {"resolve": [60, "minutes"]}}
        calendar = self.admin.get("/sla/calendars").json["items"][0]["id"]
        given = {"name": name, "condition": condition, "targets": targets, "calendar_id": calendar}
        return self.make("/sla/policies", given)

    def ladder(self, **given: Any) -> Made:
        """Of a policy that is for nothing else."""
        made = self.policy("channel", "FAX", name="Ladder")
        ladder = [{"at": "100%", "actions": [{"step": "notify", "given": given}]}]
        targets = {"S3": {"resolve": {"amount": 60, "unit": "minutes", "ladder": ladder}}}
        answer = self.admin.patch(f"/sla/policies/{made['id']}", {"targets": targets}, if_match="*")
        assert answer.status_code == 200, answer.text
        return made

    def regime(self, **given: Any) -> Made:
        ladder = [{"at": "100%", "actions": [{"step": "notify", "given": given}]}]
        answer = self.admin.patch("/sla/regimes/uk.fca.ack", {"ladder": ladder}, if_match="*")
        assert answer.status_code == 200, answer.text
        return {"id": "uk.fca.ack", "name": answer.json["instrument"]}

    def asking(self, field: str, value: Any, operator: str = "is") -> Made:
        return self.make("/triggers", body(condition={"field": field, "operator": operator, "value": value}))

    def trigger(self, step: str, given: Made) -> Made:
        return self.make("/triggers", body(actions=[{"step": step, "given": given}]))

    def macro(self, step: str, given: Made, scope: str = "shared", **others: Any) -> Made:
        scoped = {"scope": scope, **({"team_id": self.team} if scope == "team" else {})}
        return self.make("/macros", {"name": "Macro", **scoped, "steps": [{"step": step, "given": given, **others}]})

    def view(self, filters: Made, scope: str = "shared", columns: tuple[str, ...] = ()) -> Made:
        scoped = {"scope": scope, **({"team_id": self.team} if scope == "team" else {})}
        return self.make("/views", {"name": "View", **scoped, "filters": filters, "columns": list(columns)})

    def absence(self, substitute: str) -> Made:
        given = {name: (datetime.now(UTC) + timedelta(days=days)).isoformat() for name, days in _SPAN}
        return self.make(f"/agents/{self.join().id}/absences", given | {"substitute_id": substitute})

    def provider(self, role: str) -> Made:
        named = {"name": "Provider", "issuer": "https://login.example.com", "client_id": "helpdesk"}
        return self.make("/identity-providers", named | {"client_secret": "secret", "provision_role": role})

    def agent_of(self, role: str) -> Made:
        return self.make("/agents", {"email": "of.role@example.com", "name": "Of role", "role": role})

    def term(self, kind: str, code: str) -> str:
        return f"/taxonomy/terms/{self.admin.get(f'/taxonomy/terms?kind={kind}&code={code}').json['items'][0]['id']}"

    def reply(self) -> Made:
        variants = [{"language": "en", "body": "We look into it."}]
        return self.make("/canned-replies", {"title": "Looking", "scope": "shared", "variants": variants})


class Case(NamedTuple):
    """`thing`: makes it; its path, and what names it. `go`: the body of the PATCH or PUT, or None for DELETE. `uses`: each makes
    something that names it, as `what` says.
    """

    operation: str
    code: str
    thing: Callable[[Office], tuple[str, Any]]
    go: Callable[[Any], Made] | None
    uses: tuple[tuple[str, Callable[[Office, Any], Made]], ...]


def _field(office: Office) -> tuple[str, str]:
    made = office.make("/custom-fields", {"key": "region", "label": "Region", "type": "text", "filterable": True})
    return f"/custom-fields/{made['id']}", "region"


def _choice(office: Office) -> tuple[str, str]:
    options = [{"code": code, "label": code} for code in ("north", "south")]
    given = {"key": "region", "label": "Region", "type": "choice", "filterable": True, "options": options}
    return f"/custom-fields/{office.make('/custom-fields', given)['id']}", "region"


def _tag(office: Office) -> tuple[str, str]:
    """By a name that it had before, and in other capitals."""
    made = office.make("/tags", {"name": "Parcel"})
    path = f"/tags/{made['id']}"
    assert office.admin.patch(path, {"name": "Package"}, if_match="*").status_code == 200
    return path, "PARCEL"


def _reply(office: Office) -> tuple[str, str]:
    made = office.reply()
    return f"/canned-replies/{made['id']}", made["id"]


def _agent(office: Office) -> tuple[str, str]:
    agent = office.join()
    return f"/agents/{agent.id}", str(agent.id)


def _role(office: Office) -> tuple[str, str]:
    given = {"name": "desk", "description": "At the desk.", "scope": "own", "authority": "none"}
    made = office.make("/roles", given | {"permissions": ["complaint:read"]})
    return f"/roles/{made['id']}", "desk"


_TRIAGE = {"impact": 3, "urgency": 2, "category": "DEL", "issue": "DEL.LATE", "track": "investigate"}
_OF_ISSUE = (
    ("routing_rule", lambda office, _: office.rule("issues", ["DEL.LATE"], "in")),
    ("macro", lambda office, _: office.macro("triage", _TRIAGE, "team")),
    ("trigger", lambda office, _: office.asking("issue", "DEL.LATE")),
    ("trigger", lambda office, _: office.trigger("triage", _TRIAGE)),
    ("sla_policy", lambda office, _: office.policy("issue", "DEL.LATE")),
)
_SETTING = (
    ("macro", lambda office, key: office.macro("edit", {"custom_fields": {key: "north"}})),
    ("view", lambda office, key: office.view({"custom": [f"{key}:north"]}, "team")),
    ("view", lambda office, key: office.view({}, columns=("reference", f"custom_fields.{key}"))),
    ("trigger", lambda office, key: office.trigger("edit", {"custom_fields": {key: "north"}})),
)
_VALUED = (
    ("view", lambda office, key: office.view({"custom": [f"{key}:north"]}, "team")),
    ("macro", lambda office, key: office.macro("edit", {"custom_fields": {key: "north"}})),
    ("trigger", lambda office, key: office.trigger("edit", {"custom_fields": {key: "north"}})),
    ("routing_rule", lambda office, key: office.rule(f"custom.{key}", ["north"], "in")),
    ("trigger", lambda office, key: office.asking(f"custom.{key}", "north")),
    ("sla_policy", lambda office, key: office.policy(f"custom.{key}", "north")),
)
"""What names a field with a value of it."""
_SENDING = (
    ("macro", lambda office, row: office.macro("ask_customer", {}, canned_reply_id=row)),
    ("trigger", lambda office, row: office.trigger("write_message", {"kind": "public_reply", "canned_reply_id": row})),
)
CASES = (
    Case(
        "change_taxonomy_term",
        "code_in_use",
        lambda office: (office.term("channel", "STORE"), "STORE"),
        lambda _: {"retired": True},
        (
            ("form", lambda office, code: office.form(code)),
            ("macro", lambda office, code: office.macro("acknowledge", {"channel": code, "text": "We have it."})),
        ),
    ),
    Case(
        "change_taxonomy_term",
        "code_in_use",
        lambda office: (office.term("issue", "DEL.LATE"), None),
        lambda _: {"retired": True},
        _OF_ISSUE,
    ),
    Case(
        "change_taxonomy_term",
        "code_in_use",
        lambda office: (office.term("category", "DEL"), None),
        lambda _: {"retired": True},
        _OF_ISSUE,
    ),
    Case(
        "delete_custom_field",
        "custom_field_named",
        _field,
        None,
        (
            ("routing_rule", lambda office, key: office.rule(f"custom.{key}", "north")),
            *_SETTING,
            ("sla_policy", lambda office, key: office.policy(f"custom.{key}", "north")),
        ),
    ),
    Case("change_custom_field", "custom_field_named", _field, lambda _: {"active": False}, _SETTING),
    Case("change_custom_field", "custom_field_named", _field, lambda _: {"type": "number"}, _VALUED),
    Case(
        "change_custom_field",
        "custom_field_named",
        _choice,
        lambda _: {"options": [{"code": "south", "label": "South"}]},
        _VALUED,
    ),
    Case("change_custom_field", "custom_field_named", _field, lambda _: {"filterable": False}, _VALUED[:1]),
    Case("change_custom_field", "custom_field_named", _field, lambda _: {"mask": "?-####"}, _VALUED[1:3]),
    Case(
        "change_custom_field",
        "custom_field_named",
        _choice,
        lambda _: {"options": [{"code": "north", "label": "N", "active": False}, {"code": "south", "label": "S"}]},
        _VALUED[1:3],
    ),
    Case(
        "delete_tag",
        "tag_named",
        _tag,
        None,
        (
            ("routing_rule", lambda office, name: office.rule("tags", name, "contains")),
            ("macro", lambda office, name: office.macro("remove_tags", {"tags": [name]})),
            ("view", lambda office, name: office.view({"tag": [name]})),
            ("view", lambda office, name: office.view({"any_tag": [name]}, "team")),
            ("trigger", lambda office, name: office.trigger("add_tags", {"tags": [name]})),
            ("sla_policy", lambda office, name: office.policy("tags", name, "contains")),
        ),
    ),
    Case(
        "change_tag",
        "tag_named",
        _tag,
        lambda _: {"active": False},
        (
            ("macro", lambda office, name: office.macro("add_tags", {"tags": [name]})),
            ("trigger", lambda office, name: office.trigger("add_tags", {"tags": [name]})),
        ),
    ),
    Case("delete_canned_reply", "canned_reply_named", _reply, None, _SENDING),
    Case(
        "replace_canned_reply",
        "canned_reply_named",
        _reply,
        lambda _: {"title": "Mine", "variants": [{"language": "en", "body": "Mine."}]},
        _SENDING,
    ),
    Case(
        "change_agent",
        "agent_named",
        _agent,
        lambda _: {"active": False},
        (
            ("routing_rule", lambda office, row: office.rule("assignee_id", row)),
            ("macro", lambda office, row: office.macro("assign", {"assignee_id": row}, "team")),
            ("view", lambda office, row: office.view({"assignee_id": row})),
            ("trigger", lambda office, row: office.trigger("notify", {"agent_ids": [row], "text": "Look."})),
            ("sla_policy", lambda office, row: office.policy("assignee_id", row)),
            ("absence", lambda office, row: office.absence(row)),
            ("sla_policy", lambda office, row: office.ladder(agent_ids=[row])),
            ("sla_regime", lambda office, row: office.regime(agent_ids=[row])),
        ),
    ),
    Case(
        "change_team",
        "team_in_use",
        lambda office: (f"/teams/{office.team}", office.team),
        lambda _: {"active": False},
        (
            ("form", lambda office, row: office.make("/intake/forms", {"name": "Kiosk", "team_id": row})),
            ("routing_rule", lambda office, row: office.rule("team_id", row)),
            ("routing_rule", lambda office, _: office.rule("status", "received")),
            ("macro", lambda office, row: office.macro("assign", {"team_id": row})),
            ("view", lambda office, row: office.view({"team_id": row})),
            ("trigger", lambda office, row: office.trigger("assign", {"team_id": row})),
            ("trigger", lambda office, row: office.trigger("notify", {"team_ids": [row], "text": "Look."})),
            ("sla_policy", lambda office, row: office.policy("team_id", row)),
        ),
    ),
    Case(
        "delete_role",
        "role_in_use",
        _role,
        None,
        (
            ("agent", lambda office, role: office.agent_of(role)),
            ("identity_provider", lambda office, role: office.provider(role)),
            ("sla_policy", lambda office, role: office.ladder(roles=[role])),
            ("sla_regime", lambda office, role: office.regime(roles=[role])),
        ),
    ),
)

NAMED_BY_NOTHING = {
    "change_remedy_provider": "an outside provider; triggers and policies name none",
    "change_budget": "money; triggers and policies name no budget",
    "cancel_agent_absence": "a time, not a thing",
    "change_agent_absence": "a time, not a thing",
    "change_agent_profile": "capacity and skills, which routing asks for anew each time",
    "change_api_key": "what uses a key is another system",
    "change_customer": "customers stay",
    "change_identity_provider": "agents have links there, which a provider that is out of use keeps",
    "change_intake_form": "what names a form is a page elsewhere",
    "change_playbook": "offers keep what was suggested, and it stays",
    "change_role": "agents go on with what is left of it; the last who administers is looked after",
    "change_routing_rule": "decisions name it, and it stays",
    "change_sla_regime": "clocks go on by their version",
    "change_trigger": "its firings name it, and it stays",
    "delete_code_map": "import mappings, which are files; see tests/taxonomy/test_code_maps.py",
    "delete_identity_provider": "who is whom there goes with it",
    "delete_macro": "nothing applies one but a person",
    "delete_sla_policy": "refused where a clock was made by it; the default one stays",
    "discard_playbook_version": "a draft counts for nothing",
    "delete_view": "a bulk change reads it at once",
    "edit_sla_policy": "clocks go on by their version",
    "end_other_sessions": "one's own",
    "end_session": "one's own",
    "remove_routing_rule": "decisions name it, and it stays",
    "remove_trigger": "its firings name it, and it stays",
    "unlink_identity": "a link, not a thing",
}
"""Other ways to delete something or put it out of use, outside a complaint, and why nothing is left naming it."""


@pytest.fixture
def office(admin: Caller, join: Join, team: UUID) -> Office:
    return Office(admin, join, team)


def _end(office: Office, case: Case, path: str, key: Any) -> Any:
    if case.go is None:
        return office.admin.delete(path, if_match="*")
    send = office.admin.put if case.operation.startswith("replace") else office.admin.patch
    return send(path, case.go(key), if_match="*")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.operation} {case.uses[0][0]}")
def test_all_that_names_it_is_told_at_once_and_it_stays(office: Office, case: Case) -> None:
    path, key = case.thing(office)
    named = [{"what": what, "id": row["id"], "name": row["name"]} for what, row in _using(office, case, key)]
    answer = _end(office, case, path, key)
    assert (answer.status_code, answer.json["code"]) == (409, case.code), answer.text
    told = [{**use, "name": ""} if use["what"] == "absence" else use for use in answer.json["uses"]]
    assert sorted(told, key=_by_id) == sorted(named, key=_by_id)
    shown = office.admin.get(path).json
    assert shown.get("active", True) is True
    assert shown.get("retired_at") is None


def _by_id(use: dict[str, str]) -> str:
    return use["id"]


def _using(office: Office, case: Case, key: Any) -> list[tuple[str, Made]]:
    return [(what, {"name": "", **make(office, key)}) for what, make in case.uses]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.operation} {case.uses[0][0]}")
def test_what_nothing_names_goes(office: Office, case: Case) -> None:
    path, key = case.thing(office)
    answer = _end(office, case, path, key)
    assert answer.status_code == (204 if case.go is None else 200), answer.text


def test_what_is_ones_own_or_out_of_force_keeps_nothing(office: Office) -> None:
    path, name = _tag(office)
    office.macro("add_tags", {"tags": [name]}, "own")
    view = office.view({"tag": [name]}, "own")
    trigger = office.trigger("add_tags", {"tags": [name]})
    assert office.admin.patch(f"/triggers/{trigger['id']}", {"active": False}, if_match="*").status_code == 200
    assert office.admin.delete(path, if_match="*").status_code == 204
    assert office.admin.get(f"/views/{view['id']}").json["broken"][0]["pointer"] == "/filters/tag/0"


def test_a_definition_is_changed_where_nothing_breaks(office: Office) -> None:
    """What names it is as sound as before; what was broken before keeps nobody from mending the rest."""
    path, key = _choice(office)
    case = Case("change_custom_field", "", _choice, None, _VALUED)
    _using(office, case, key)
    options = [{"code": code, "label": code} for code in ("east", "north", "south")]
    for given in ({"options": options}, {"label": "Area"}, {"options": options[:2]}, {"required_for": ["resolve"]}):
        answer = office.admin.patch(path, given, if_match="*")
        assert answer.status_code == 200, answer.text
    answer = office.admin.patch(path, {"options": options[:1]}, if_match="*")
    assert len(answer.json["uses"]) == len(_VALUED)
    assert office.admin.patch(path, {"even_if_named": True}, if_match="*").status_code == 422
    answer = office.admin.patch(path, {"options": options[:1], "even_if_named": True}, if_match="*")
    assert answer.status_code == 200, answer.text
    assert office.admin.patch(path, {"options": options[:1], "filterable": False}, if_match="*").status_code == 200


def test_a_trigger_is_not_put_into_force_again_over_what_has_gone(office: Office) -> None:
    path, row = _reply(office)
    trigger = f"/triggers/{_SENDING[1][1](office, row)['id']}"
    assert office.admin.patch(trigger, {"active": False}, if_match="*").status_code == 200
    assert office.admin.delete(path, if_match="*").status_code == 204
    answer = office.admin.patch(trigger, {"active": True}, if_match="*")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/actions/0/given/canned_reply_id"


def test_who_has_to_be_out_at_once_is(office: Office) -> None:
    """A trigger that somebody has yet to mend keeps nobody in."""
    path, row = _agent(office)
    office.trigger("notify", {"agent_ids": [row], "text": "Look."})
    assert office.admin.patch(path, {"even_if_named": True}, if_match="*").status_code == 422
    answer = office.admin.patch(path, {"active": False, "even_if_named": True}, if_match="*")
    assert (answer.status_code, answer.json["active"]) == (200, False)


def test_no_way_to_delete_something_is_left_out() -> None:
    """Outside a complaint: what hangs on one is named by nothing elsewhere."""
    paths = committed()["paths"]
    ways = {
        operation["operationId"]
        for path, item in paths.items()
        for method, operation in item.items()
        if method in {"delete", "patch"} and "/complaints/" not in path
    }
    known = {case.operation for case in CASES} | NAMED_BY_NOTHING.keys()
    assert ways <= known, ways - known
