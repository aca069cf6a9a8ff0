"""Letters as documents: read, listed while they are to be posted, marked posted.

How it can fail: a name that is markup; a letter that nobody posted, or whose mail reached nobody, counts as delivered; posted
twice; a letter that was written and not issued is shown.
"""

from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest

from helpdesk.recovery import kinds, letters
from helpdesk.wiring import Program
from tests.complaints.steps import GOOD
from tests.conftest import Caller
from tests.kernel.test_mail import Post
from tests.racing import at_once
from tests.recovery.answers import LETTER, NO_ID, refused
from tests.recovery.helpers import (
    accepted,
    act,
    another,
    duties,
    eur,
    issued,
    left_behind,
    offered,
    perform,
    scalar,
    token,
    violations,
    voucher,
)
from tests.recovery.redeeming import shop


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.language: str | None = None
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag == "html":
            self.language = dict(attrs)["lang"]

    def handle_data(self, data: str) -> None:
        self.text += data


class TestRead:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get(f"/offers/{NO_ID}/letter").status_code == 401
        assert anonymous.get("/recovery/letters").status_code == 401

    def test_another_team_sees_nothing(
        self, program: Program, stranger: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = issued(program, agent, complaint, LETTER)
        assert stranger.get(f"/offers/{offer['id']}/letter").status_code == 404
        assert stranger.get("/recovery/letters").json["items"] == []

    def test_as_it_was_written(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        own = 'it was my mistake: 3 < 4 & "x".\n\nIt will not happen again.'
        offer = issued(program, agent, complaint, LETTER | {"text": own})
        letter = agent.get(f"/offers/{offer['id']}/letter").json
        assert own in letter["body"]
        assert (letter["mail_delivery"], letter["to_be_posted"], letter["language"]) == ("queued", False, "en")
        page = Tags(letter["document"])
        assert page.language == "en"
        assert '3 < 4 & "x".' in page.text
        assert letter["file_name"] == f"letter-{complaint['reference']}.html"

    def test_in_their_language_with_any_name(self, program: Program, agent: Caller, silent: dict[str, Any]) -> None:
        offer = issued(program, agent, silent, LETTER)
        page = Tags(agent.get(f"/offers/{offer['id']}/letter").json["document"])
        assert page.language == "zh-Hans"
        assert "<b>李伟</b> & Co" in page.text
        assert page.seen <= {"html", "head", "meta", "title", "style", "body", "h1", "p"}

    def test_not_before_it_is_issued(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = accepted(agent, complaint, LETTER)
        left_behind(program, offer)
        assert scalar(program.database, "SELECT count(*) FROM letter") == 1
        assert agent.get(f"/offers/{offer['id']}/letter").status_code == 404
        assert agent.get("/recovery/letters").json["items"] == []


class TestDownload:
    def test_is_a_page_that_is_safe_to_open(self, program: Program, agent: Caller, silent: dict[str, Any]) -> None:
        offer = issued(program, agent, silent, LETTER)
        path = f"/offers/{offer['id']}/letter"
        answer = agent.get(f"{path}?format=html")
        assert answer.content_type == "text/html; charset=utf-8"
        assert answer.text == agent.get(path).json["document"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        name = f"letter-{silent['reference']}.html"
        assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{name}"')
        policy = [part.strip() for part in answer.headers["Content-Security-Policy"].split(";")]
        assert policy[0] == "default-src 'none'"
        assert {"sandbox", "frame-ancestors 'none'"} <= set(policy)
        style = answer.text.partition("<style>")[2].partition("</style>")[0]
        digest = b64encode(sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in policy

    def test_again_only_when_it_is_another(self, program: Program, agent: Caller, silent: dict[str, Any]) -> None:
        offer = issued(program, agent, silent, LETTER)
        path = f"/offers/{offer['id']}/letter?format=html"
        tag = agent.get(path).headers["ETag"]
        assert agent.get(path, if_none_match=tag).status_code == 304

    def test_who_may_and_what_is_asked(
        self, program: Program, anonymous: Caller, stranger: Caller, agent: Caller, silent: dict[str, Any]
    ) -> None:
        offer = issued(program, agent, silent, LETTER)
        path = f"/offers/{offer['id']}/letter"
        assert anonymous.get(f"{path}?format=html").status_code == 401
        assert stranger.get(f"{path}?format=html").status_code == 404
        assert agent.get(f"/offers/{NO_ID}/letter?format=html").status_code == 404
        assert agent.get(f"{path}?format=pdf").status_code == 422


class TestPosted:
    def test_what_nobody_posted_is_not_delivered(self, program: Program, agent: Caller, silent: dict[str, Any]) -> None:
        offer = issued(program, agent, silent, LETTER)
        assert (offer["status"], offer["delivered_at"]) == ("issued", None)
        ref = silent["reference"]
        for action, body in {"investigate": GOOD["investigate"], "resolve": GOOD["resolve"] | {"remedy": {}}}.items():
            assert agent.post(f"/complaints/{ref}/actions/{action}", body).status_code == 200
        early = agent.post(f"/complaints/{ref}/actions/follow_up", GOOD["follow_up"])
        assert early.json["missing"][0]["code"] == "remedy_undelivered"
        (listed,) = agent.get("/recovery/letters?to_be_posted=true").json["items"]
        assert listed["offer_id"] == offer["id"]
        assert act(agent, offer, "post_letter", note="Second class.")["delivered_at"] is not None
        assert agent.get("/recovery/letters?to_be_posted=true").json["items"] == []
        letter = agent.get(f"/offers/{offer['id']}/letter").json
        assert (letter["to_be_posted"], letter["posted_at"] is None) == (False, False)
        assert agent.post(f"/complaints/{ref}/actions/follow_up", GOOD["follow_up"]).status_code == 200
        assert violations(program.database) == []

    def test_wrong_role(self, program: Program, auditor: Caller, agent: Caller, silent: dict[str, Any]) -> None:
        offer = issued(program, agent, silent, LETTER)
        assert refused(auditor.pay(f"/offers/{offer['id']}/actions/post_letter", {})) == (403, "forbidden")

    def test_once(self, program: Program, agent: Caller, silent: dict[str, Any]) -> None:
        offer = issued(program, agent, silent, LETTER)
        path = f"/offers/{offer['id']}/actions/post_letter"
        callers = [another(agent) for _ in range(3)]
        answers = at_once(*(lambda who=who: who.pay(path, {}) for who in callers))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        assert violations(program.database) == []


class TestMailed:
    """A letter is delivered when the mail server has taken it, and not before."""

    def test_delivered_when_the_server_took_it(
        self, mailing: Program, post: Post, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = issued(mailing, agent, complaint, LETTER)
        assert offer["delivered_at"] is None
        assert not stands(agent, offer)["to_be_posted"]
        assert early(agent, complaint) == "remedy_undelivered"
        assert perform(mailing, "mail.deliver")["failed"] == 0
        owed = duties(mailing.database, letters.MAILED)
        assert mailing.performer.perform([*owed, *owed]) == {"done": 1, "skipped": 1, "failed": 0}
        assert [str(message["Subject"]) for _, _, message in post.mails].count(stands(agent, offer)["subject"]) == 1
        assert agent.get(f"/offers/{offer['id']}").json["delivered_at"] is not None
        letter = stands(agent, offer)
        assert (letter["mailed"], letter["mail_delivery"], letter["to_be_posted"]) == (True, "sent", False)
        answer = agent.pay(f"/offers/{offer['id']}/actions/post_letter", {})
        assert answer.json["missing"][0]["code"] == "delivered_already"
        assert follow_up(agent, complaint).status_code == 200
        assert violations(mailing.database) == []

    def test_refused_for_good_is_to_be_posted(
        self, mailing: Program, post: Post, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = issued(mailing, agent, complaint, LETTER)
        *before, _ = duties(mailing.database, "mail.deliver")  # that the complaint was received, and of the offer
        assert mailing.performer.perform(before)["failed"] == 0
        post.refuse = ["550 5.1.1 Nobody here"]
        perform(mailing, "mail.deliver")
        assert (post.refuse, duties(mailing.database, letters.MAILED)) == ([], [])
        self.is_to_be_posted(mailing, agent, complaint, offer, "failed")

    def test_without_a_mail_server_it_is_to_be_posted(
        self, program: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = issued(program, agent, complaint, LETTER)
        perform(program, "mail.deliver")
        self.is_to_be_posted(program, agent, complaint, offer, "cancelled")

    def is_to_be_posted(
        self, program: Program, agent: Caller, complaint: dict[str, Any], offer: dict[str, Any], delivery: str
    ) -> None:
        letter = stands(agent, offer)
        assert (letter["mailed"], letter["mail_delivery"], letter["to_be_posted"]) == (False, delivery, True)
        assert [item["offer_id"] for item in agent.get("/recovery/letters?to_be_posted=true").json["items"]] == [
            offer["id"]
        ]
        assert [item["id"] for item in agent.get("/offers?undelivered_days=0").json["items"]] == [offer["id"]]
        assert early(agent, complaint) == "remedy_undelivered"
        assert act(agent, offer, "post_letter")["delivered_at"] is not None
        assert (stands(agent, offer)["mailed"], stands(agent, offer)["to_be_posted"]) == (False, False)
        assert follow_up(agent, complaint).status_code == 200
        assert violations(program.database) == []

    def test_posted_while_its_mail_was_on_its_way(
        self, mailing: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = issued(mailing, agent, complaint, LETTER)
        act(agent, offer, "post_letter")
        perform(mailing, "mail.deliver")
        assert perform(mailing, letters.MAILED)["done"] == 1
        stream = agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"]
        assert "offer.letter_mailed" not in [item["type"] for item in stream]
        assert violations(mailing.database) == []


def stands(agent: Caller, offer: dict[str, Any]) -> dict[str, Any]:
    return dict(agent.get(f"/offers/{offer['id']}/letter").json)


def follow_up(agent: Caller, complaint: dict[str, Any]) -> Any:
    return agent.post(f"/complaints/{complaint['reference']}/actions/follow_up", GOOD["follow_up"])


def early(agent: Caller, complaint: dict[str, Any]) -> str:
    """Why the complaint, which is resolved with this, is not followed up yet."""
    for action, body in {"investigate": GOOD["investigate"], "resolve": GOOD["resolve"] | {"remedy": {}}}.items():
        answer = agent.post(f"/complaints/{complaint['reference']}/actions/{action}", body)
        assert answer.status_code == 200, answer.text
    return str(follow_up(agent, complaint).json["missing"][0]["code"])


@pytest.mark.usefixtures("budget")
class TestCodes:
    """A voucher is delivered when its code got to the customer, and not with its making."""

    def waits(self, caller: Caller, complaint: dict[str, Any], offer: dict[str, Any]) -> None:
        assert (offer["status"], offer["delivered_at"]) == ("issued", None)
        assert early(caller, complaint) == "remedy_undelivered"
        assert [item["id"] for item in caller.get("/offers?undelivered_days=0").json["items"]] == [offer["id"]]

    def has_it(self, program: Program, caller: Caller, complaint: dict[str, Any], told: str) -> None:
        stream = caller.get(f"/complaints/{complaint['reference']}/timeline?limit=100").json["items"]
        assert [item["type"] for item in stream].count(told) == 1
        assert follow_up(caller, complaint).status_code == 200
        assert violations(program.database) == []

    def test_when_the_server_took_its_mail(self, mailing: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        self.waits(agent, complaint, issued(mailing, agent, complaint))
        assert perform(mailing, "mail.deliver")["failed"] == 0
        owed = duties(mailing.database, letters.MAILED)
        assert mailing.performer.perform([*owed, *owed]) == {"done": 1, "skipped": 1, "failed": 0}
        self.has_it(mailing, agent, complaint, "offer.letter_mailed")

    def test_refused_for_good_it_is_read_out_or_posted(
        self, mailing: Program, post: Post, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = issued(mailing, agent, complaint)
        *before, _ = duties(mailing.database, "mail.deliver")
        assert mailing.performer.perform(before)["failed"] == 0
        post.refuse = ["550 5.1.1 Nobody here"]
        perform(mailing, "mail.deliver")
        assert duties(mailing.database, letters.MAILED) == []
        self.waits(agent, complaint, offer)
        assert act(agent, offer, "post_letter", note="Read out.")["delivered_at"] is not None
        again = agent.pay(f"/offers/{offer['id']}/actions/post_letter", {})
        assert again.json["missing"][0]["code"] == "delivered_already"
        self.has_it(mailing, agent, complaint, "offer.letter_posted")

    def test_without_an_address_it_is_seen_by_the_link(
        self, program: Program, agent: Caller, anonymous: Caller, silent: dict[str, Any]
    ) -> None:
        offer = offered(agent, silent)
        path = f"/public/offers/{token(offer)}"
        anonymous.pay(f"{path}/accept", {})
        assert duties(program.database, kinds.SEEN) == []
        perform(program)
        self.waits(agent, silent, agent.get(f"/offers/{offer['id']}").json)
        for _ in range(2):
            assert anonymous.get(path).json["voucher_code"] is not None
        (owed,) = duties(program.database, kinds.SEEN)
        assert program.performer.perform([owed, owed]) == {"done": 1, "skipped": 1, "failed": 0}
        assert anonymous.get(path).json["delivered_at"] is not None
        assert duties(program.database, kinds.SEEN) == []
        self.has_it(program, agent, silent, "offer.voucher_seen")

    def test_or_used(self, program: Program, agent: Caller, admin: Caller, silent: dict[str, Any]) -> None:
        offer = issued(program, agent, silent, voucher("30.00", voucher_partial=True))
        self.waits(agent, silent, offer)
        wanted = {"amount": eur("10.00"), "external_id": "receipt 1"}
        used = shop(admin, "A shop").pay(f"/vouchers/{offer['issued_reference']}/redeem", wanted)
        assert used.status_code in {200, 201}, used.text
        assert agent.get(f"/offers/{offer['id']}").json["delivered_at"] is not None
        self.has_it(program, agent, silent, "offer.voucher_seen")
