"""What an evidence pack tells of offers beside their steps, and that `verify.py` misses nothing of it.

How it can fail: a provider's word, a decision, lent authority or an entry of a ledger is not in the pack; a voucher's code is; a
pack of a whole and honest story does not hold; one that was changed does.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from helpdesk.complaints import pack_check
from helpdesk.wiring import Program
from tests.complaints.evidence.packing import Archive, made, of
from tests.conftest import Caller
from tests.recovery.helpers import accepted, act, offered, voucher
from tests.recovery.lending import Crew, approve, lent, new, pending
from tests.recovery.providing import call_back, refund, said, work
from tests.recovery.reference_provider import ReferenceProvider

Story = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture
def story(
    program: Program, anonymous: Caller, crew: Crew, registered: dict[str, Any], provider: ReferenceProvider
) -> Story:
    """A refund that failed and that its provider says was issued; a voucher that was granted by lent authority, and used."""
    complaint = new(crew.agent, crew.team)
    paid = accepted(crew.agent, complaint, refund())
    provider.plan = ["pending"]
    work(program)
    call_back(anonymous, registered, said(paid, "failed"))
    call_back(anonymous, registered, said(paid), message_id="m2")
    waiting = pending(crew.agent, complaint, "300.00")
    delegation = lent(crew.manager, crew.senior)
    assert approve(crew.senior, waiting).status_code == 200
    act(crew.agent, waiting, "offer")
    act(crew.agent, waiting, "accept", said_by="phone")
    work(program)
    return complaint, delegation


class TestPack:
    def test_has_everything_and_holds(self, program: Program, crew: Crew, story: Story) -> None:
        complaint, delegation = story
        pack = made(program, crew.senior, complaint)
        assert list(pack_check.faults(Archive(pack))) == []
        paid, given = of(pack, "offers.json")
        (order,) = paid["orders"]
        assert (order["provider_name"], order["state"], paid["dead_letter"]) == ("Payments", "refused", "contradicted")
        assert order["contradiction"] == "It was issued as re_1."
        assert [(row["message_id"], row["says"]) for row in order["callbacks"]] == [
            ("msg_1", "failed"),
            ("m2", "issued"),
        ]
        assert [row["kind"] for row in paid["budget_entries"]] == ["reserve", "release"]
        assert given["delegations"][0]["id"] == delegation["id"]
        decided = [(row["action"], row["in_name_of"]) for row in given["decisions"]]
        assert decided == [("submit", None), ("approve", str(crew.manager.id))]
        assert [(row["kind"], row["budget_name"]) for row in given["budget_entries"]] == [
            ("reserve", "Goodwill"),
            ("commit", "Goodwill"),
        ]
        code = crew.agent.get(f"/offers/{given['id']}").json["issued_reference"]
        assert not any(code.encode() in pack.read(name) for name in pack.namelist() if name.endswith(".json"))

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            (lambda paid, _: paid["orders"][0].update(state="issued"), "and has a reference or not against that"),
            (lambda paid, _: paid["orders"][0].update(closed_at=None), "and ended or not against that"),
            (
                lambda paid, _: paid["orders"][0].update(state="issued", reference="re_9", contradiction=None),
                "was called back otherwise",
            ),
            (lambda paid, _: paid["orders"][0]["callbacks"][0].update(order_id="x"), "a callback about something else"),
            (lambda paid, _: paid["orders"].clear(), "what somebody is to see to is another"),
            (lambda paid, _: paid["budget_entries"].pop(), "2000 minor units are set aside for it, which is failed"),
            (lambda _, given: given["budget_entries"].pop(), "0 minor units were spent on it, which is issued"),
            (lambda _, given: given["delegations"].clear(), "names authority that nobody has lent"),
            (lambda _, given: given["delegations"][0].update(lender_id="x"), "lent by or to somebody else"),
            (
                lambda _, given: given["delegations"][0].update(revoked_at="2020-01-01T00:00:00Z"),
                "was not lent at the time",
            ),
        ],
    )
    def test_what_was_changed_is_found(
        self,
        program: Program,
        crew: Crew,
        story: Story,
        change: Callable[[Any, Any], Any],
        fault: str,
    ) -> None:
        pack = made(program, crew.senior, story[0])
        told = copy.deepcopy(of(pack, "offers.json"))
        change(*told)
        found = list(pack_check.Offers(Archive(pack)).wrong(told))
        assert any(fault in each for each in found), found
        assert list(pack_check.Offers(Archive(pack)).wrong(of(pack, "offers.json"))) == []

    def test_with_options_and_a_reversal(self, program: Program, crew: Crew) -> None:
        complaint = new(crew.agent, crew.team)
        options = [
            {"kind": "voucher", "amount": {"amount": "30.00", "currency": "EUR"}},
            {"kind": "voucher", "amount": {"amount": "20.00", "currency": "EUR"}},
        ]
        body = voucher(options=options)
        for name in ("kind", "amount"):
            del body[name]
        offer = offered(crew.agent, complaint, body)
        act(crew.agent, offer, "accept", said_by="phone", option=2)
        work(program)
        assert list(pack_check.faults(Archive(made(program, crew.senior, complaint)))) == []
        act(crew.manager, offer, "reverse", reason="A mistake.")
        assert list(pack_check.faults(Archive(made(program, crew.senior, complaint)))) == []
