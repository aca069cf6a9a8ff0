from tests.recovery.helpers import *

def test_journey(program, database, agent, manager, anonymous, complaint):
    open_budget(manager)
    s = agent.get(f"/complaints/{complaint['reference']}/suggestion?loss=60&weeks_overdue=2&fault=firm")
    print(s.json)
    offer = issued(program, agent, complaint)
    print(offer)
    assert not violations(database), violations(database)
    letter = issued(program, agent, complaint, {"kind": "apology_letter"})
    print(letter)
    assert not violations(database)
    r = manager.pay(f"/vouchers/{offer['issued_reference']}/redeem")
    print(r.json)
    assert not violations(database)
