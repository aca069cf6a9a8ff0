"""Sending a letter again: of an offer, of a voucher, of an apology.

How it can fail: twice for one press of the button, or by two agents at once; as often as somebody presses while the mail server is
away; to the address of then; with a link or a code that does not serve; of what was answered, has ended or buys nothing any more; it is
refused and nothing foretold it.
"""

from typing import Any

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import letters
from helpdesk.wiring import Program
from tests.complaints.merging import merge, new
from tests.conftest import Caller
from tests.kernel.test_mail import Post
from tests.racing import at_once
from tests.recovery.answers import LETTER, NO_ID, refused
from tests.recovery.helpers import (
    act,
    another,
    delivered,
    duties,
    eur,
    execute,
    issued,
    offered,
    perform,
    scalar,
    told,
    violations,
    voucher,
)
from tests.recovery.redeeming import shop
from tests.recovery.test_letters import stands

pytestmark = pytest.mark.usefixtures("budget")
OFFER, ISSUED = "send_again", "send_letter_again"


def again(caller: Caller, offer: dict[str, Any], action: str, **headers: str) -> Any:
    return caller.pay(f"/offers/{offer['id']}/actions/{action}", {"note": "It did not come."}, **headers)


def mails(database: Database, offer: dict[str, Any]) -> list[tuple[str, str]]:
    """Recipient and body of each mail about an offer, oldest first."""
    with database.reader() as session:
        rows = session.connection().exec_driver_sql(
            "SELECT recipient, body FROM outbound_mail WHERE subject_id = %(id)s ORDER BY id", {"id": offer["id"]}
        )
        return [(row[0], row[1]) for row in rows]


def missing(caller: Caller, offer: dict[str, Any], action: str) -> list[str]:
    """What `allowed_actions` says that it lacks."""
    (found,) = [it for it in caller.get(f"/offers/{offer['id']}").json["allowed_actions"] if it["action"] == action]
    return [need["code"] for need in found["missing"]]


def mend(caller: Caller, complaint: dict[str, Any], email: str | None) -> None:
    """Their address is another."""
    path = f"/complaints/{complaint['reference']}"
    (person,) = [it for it in caller.get(path).json["people"] if it["role"] == "complainant"]
    answer = caller.patch(f"{path}/people/{person['id']}", {"email": email}, if_match="*")
    assert answer.status_code == 200, answer.text


class TestOffer:
    def test_anonymous_and_others(
        self,
        database: Database,
        anonymous: Caller,
        stranger: Caller,
        auditor: Caller,
        agent: Caller,
        complaint: dict[str, Any],
    ) -> None:
        offer = offered(agent, complaint)
        assert again(anonymous, offer, OFFER).status_code == 401
        assert again(stranger, offer, OFFER).status_code == 404
        assert again(agent, {"id": NO_ID}, OFFER).status_code == 404
        assert refused(again(auditor, offer, OFFER)) == (403, "forbidden")
        assert len(mails(database, offer)) == 1

    def test_to_the_address_of_now_with_a_link_that_serves(
        self, program: Program, anonymous: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = offered(agent, complaint)
        perform(program, "mail.deliver")
        mend(agent, complaint, "mended@example.com")
        answer = again(agent, offer, OFFER)
        assert (answer.status_code, answer.json["status"], answer.json["link"]) == (200, "offered", offer["link"])
        (_, first), (recipient, second) = mails(program.database, offer)
        assert (recipient, second) == ("mended@example.com", first)
        link = next(word for word in second.split() if "/offers/" in word)
        assert anonymous.pay(f"/public/offers/{link.rsplit('/', 1)[1]}/accept", {}).status_code == 200
        assert told(program.database, "offer.sent_again") == 1
        assert violations(program.database) == []

    def test_in_their_language(self, program: Program, agent: Caller, silent: dict[str, Any]) -> None:
        offer = offered(agent, silent)
        assert mails(program.database, offer) == []
        mend(agent, silent, "李伟@example.com")
        assert again(agent, offer, OFFER).status_code == 200
        ((recipient, body),) = mails(program.database, offer)
        assert recipient == "李伟@example.com"
        assert "尊敬的<b>李伟</b> & Co" in body

    def test_once_for_one_key(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = offered(agent, complaint)
        perform(program, "mail.deliver")
        answers = [again(agent, offer, OFFER, idempotency_key="the-same") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert len(mails(program.database, offer)) == 2
        assert told(program.database, "offer.sent_again") == 1

    def test_one_of_several_at_once(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = offered(agent, complaint)
        perform(program, "mail.deliver")
        callers = [another(agent) for _ in range(3)]
        answers = at_once(*(lambda who=who: again(who, offer, OFFER) for who in callers))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        assert len(mails(program.database, offer)) == 2

    def test_not_while_the_first_waits_but_to_another_address(
        self, program: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = offered(agent, complaint)
        assert missing(agent, offer, OFFER) == ["on_its_way"]
        assert refused(again(agent, offer, OFFER)) == (409, "on_its_way")
        mend(agent, complaint, "mended@example.com")
        assert missing(agent, offer, OFFER) == []
        assert again(agent, offer, OFFER).status_code == 200
        assert refused(again(agent, offer, OFFER)) == (409, "on_its_way")
        assert len(mails(program.database, offer)) == 2

    def test_without_an_address(self, program: Program, agent: Caller, silent: dict[str, Any]) -> None:
        offer = offered(agent, silent)
        assert missing(agent, offer, OFFER) == ["no_address"]
        assert refused(again(agent, offer, OFFER)) == (409, "no_address")
        assert told(program.database, "offer.sent_again") == 0

    @pytest.mark.parametrize(
        ("action", "given"),
        [
            ("accept", {"said_by": "phone"}),
            ("decline", {"said_by": "phone"}),
            ("counter", {"said_by": "phone", "words": "Something else."}),
            ("revoke", {"reason": "A mistake."}),
        ],
    )
    def test_not_of_what_was_answered(
        self,
        program: Program,
        manager: Caller,
        agent: Caller,
        complaint: dict[str, Any],
        action: str,
        given: dict[str, Any],
    ) -> None:
        offer = offered(agent, complaint)
        perform(program, "mail.deliver")
        act(manager, offer, action, **given)
        assert refused(again(agent, offer, OFFER)) == (409, "action_not_allowed")

    def test_not_after_its_time(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = offered(agent, complaint)
        perform(program, "mail.deliver")
        execute(program.database, "UPDATE offer SET valid_until = now() - interval '1 minute'")
        assert missing(agent, offer, OFFER) == ["offer_expired"]
        assert refused(again(agent, offer, OFFER)) == (409, "action_not_allowed")

    def test_what_changed_meanwhile_is_looked_at_first(
        self, program: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = offered(agent, complaint)
        perform(program, "mail.deliver")
        act(agent, offer, "prolong", days=60)
        assert again(agent, offer, OFFER, if_match=f'"{offer["version"]}"').status_code == 412
        assert again(agent, offer, OFFER).status_code == 200
        until = agent.get(f"/offers/{offer['id']}").json["valid_until"]
        assert until[:10] in mails(program.database, offer)[-1][1]

    def test_tells_the_customer_that_it_stands(
        self, program: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        """So that no reminder follows at once."""
        offer = offered(agent, complaint)
        perform(program, "mail.deliver")
        execute(program.database, "UPDATE offer SET told_at = now() - interval '9 days'")
        assert again(agent, offer, OFFER).status_code == 200
        assert scalar(program.database, "SELECT told_at > now() - interval '1 day' FROM offer")

    @pytest.mark.parametrize("action", [OFFER, ISSUED])
    def test_where_there_is_no_mail_server(
        self, program: Program, agent: Caller, complaint: dict[str, Any], monkeypatch: pytest.MonkeyPatch, action: str
    ) -> None:
        offer = offered(agent, complaint) if action == OFFER else issued(program, agent, complaint)
        perform(program, "mail.deliver")
        monkeypatch.setattr(program.database, "mails", False)
        assert refused(again(agent, offer, action)) == (409, "no_mail_server")
        assert missing(agent, offer, action) == ["no_mail_server"]


class TestIssued:
    def test_the_same_code_reaches_the_mended_address(
        self, mailing: Program, post: Post, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        """The first was refused for good: it is delivered with the second."""
        offer = issued(mailing, agent, complaint)
        *before, _ = duties(mailing.database, "mail.deliver")
        assert mailing.performer.perform(before)["failed"] == 0
        post.refuse = ["550 5.1.1 Nobody here"]
        perform(mailing, "mail.deliver")
        mend(agent, complaint, "mended@example.com")
        assert act(agent, offer, ISSUED)["delivered_at"] is None
        assert refused(again(agent, offer, ISSUED)) == (409, "on_its_way")
        perform(mailing, "mail.deliver")
        assert perform(mailing, letters.MAILED)["done"] == 1
        _, recipients, message = post.mails[-1]
        assert recipients == ["mended@example.com"]
        assert offer["issued_reference"] in message.get_content()
        row = agent.get(f"/offers/{offer['id']}").json
        assert (row["status"], row["issued_reference"]) == ("issued", offer["issued_reference"])
        assert row["delivered_at"] is not None
        assert violations(mailing.database) == []

    def test_to_whom_it_is_once_their_complaint_was_merged(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        """They stand on the complaint of somebody else by then; what is taken back is written to them too."""
        offer = delivered(program, agent, complaint)
        perform(program, "mail.deliver")
        (theirs, _) = mails(program.database, offer)[-1]
        survivor = new(manager, complainant={"name": "Bob", "email": "bob@example.net"})
        merge(manager, complaint, survivor, other_complainant=True)
        act(agent, offer, ISSUED)
        assert mails(program.database, offer)[-1][0] == theirs != "bob@example.net"
        perform(program, "mail.deliver")
        before = len(mails(program.database, offer))
        act(manager, offer, "reverse", reason="The wrong person.")
        assert [to for to, _ in mails(program.database, offer)[before:]] == [theirs]
        assert violations(program.database) == []

    def test_what_was_delivered_stays_so(self, mailing: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = issued(mailing, agent, complaint)
        for _ in range(2):
            perform(mailing, "mail.deliver")
            perform(mailing, letters.MAILED)
            act(agent, offer, ISSUED)
        assert (told(mailing.database, "offer.letter_mailed"), told(mailing.database, "offer.letter_sent_again")) == (
            1,
            2,
        )
        assert scalar(mailing.database, "SELECT count(*) FROM voucher") == 1
        assert violations(mailing.database) == []

    def test_says_what_is_left(self, program: Program, agent: Caller, admin: Caller, complaint: dict[str, Any]) -> None:
        offer = issued(program, agent, complaint, voucher("30.00", voucher_partial=True))
        perform(program, "mail.deliver")
        till = shop(admin, "A shop")
        used = till.pay(f"/vouchers/{offer['issued_reference']}/redeem", {"amount": eur("10.00"), "external_id": "1"})
        assert used.status_code in {200, 201}, used.text
        act(agent, offer, ISSUED)
        assert "20.00 EUR" in mails(program.database, offer)[-1][1]
        perform(program, "mail.deliver")
        till.pay(f"/vouchers/{offer['issued_reference']}/redeem", {"amount": eur("20.00"), "external_id": "2"})
        assert refused(again(agent, offer, ISSUED)) == (409, "action_not_allowed")

    def test_not_of_one_whose_time_is_over(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = issued(program, agent, complaint)
        perform(program, "mail.deliver")
        execute(program.database, "UPDATE voucher SET expires_at = now() - interval '1 minute'")
        assert missing(agent, offer, ISSUED) == ["voucher_not_valid"]
        answer = again(agent, offer, ISSUED)
        assert (refused(answer), answer.json["voucher_status"]) == ((409, "voucher_not_valid"), "expired")

    def test_without_an_address(self, program: Program, agent: Caller, silent: dict[str, Any]) -> None:
        offer = issued(program, agent, silent)
        assert missing(agent, offer, ISSUED) == ["no_address"]
        assert refused(again(agent, offer, ISSUED)) == (409, "no_address")

    def test_one_of_several_at_once(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = issued(program, agent, complaint)
        perform(program, "mail.deliver")
        callers = [another(agent) for _ in range(3)]
        answers = at_once(*(lambda who=who: again(who, offer, ISSUED) for who in callers))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        assert sum(offer["issued_reference"] in body for _, body in mails(program.database, offer)) == 2

    def test_a_letter_as_it_was_written(
        self, mailing: Program, post: Post, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = issued(mailing, agent, complaint, LETTER | {"text": "It was my mistake."})
        perform(mailing, "mail.deliver")
        perform(mailing, letters.MAILED)
        act(agent, offer, ISSUED)
        assert stands(agent, offer)["mail_delivery"] == "queued"
        post.refuse = ["550 5.1.1 Nobody here"]
        perform(mailing, "mail.deliver")
        letter = stands(agent, offer)
        assert (letter["mail_delivery"], letter["mailed"], letter["to_be_posted"]) == ("failed", False, False)
        act(agent, offer, ISSUED)
        perform(mailing, "mail.deliver")
        assert [str(it["Subject"]) for _, _, it in post.mails].count(letter["subject"]) == 2
        assert stands(agent, offer)["mail_delivery"] == "sent"
        assert violations(mailing.database) == []

    def test_not_of_what_is_no_letter(self, manager: Caller, complaint: dict[str, Any]) -> None:
        gift = {"kind": "gift", "amount": eur("9.00"), "reason": "With our thanks."}
        offer = offered(manager, complaint, gift)
        act(manager, offer, "accept", said_by="phone")
        row = act(manager, offer, "record_issued", reference="parcel 1")
        assert ISSUED not in [item["action"] for item in row["allowed_actions"]]
        assert refused(again(manager, offer, ISSUED)) == (409, "action_not_allowed")
