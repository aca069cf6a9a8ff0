"""The complaint and its life: intake, triage, thread, assignment, transitions, timeline.

A complaint moves `received -> investigated -> resolved -> followed_up`, with the exits `withdrawn` and `dismissed`; the
table is data in `lifecycle`. Acknowledged, answered, remedy delivered and followed up are four different facts and are
kept apart. Everything else that people call a status (whom we wait for, level of escalation, severity) is an attribute
beside the state.
"""
