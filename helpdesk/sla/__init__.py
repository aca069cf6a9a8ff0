"""Promises about time: calendars, policies, regulatory regimes, clocks and alarms.

A deadline is a pure function of facts that do not change (`business_time`), so it can always be recomputed and
explained. One row per complaint and promise (`clocks`); `next_alarm_at` on it is the truth about what is to ring, and a
sweep looks at it every second. Whether a promise was broken is decided from the facts, both when a clock stops and
when its alarm fires, and said once. What follows from an alarm is a ladder (`ladder`): whom it tells, and what it does to the complaint.
"""
