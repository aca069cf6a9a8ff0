"""Rules that act: triggers on what happens to complaints and on the time that passes, with a guard against loops, a trial
on what has happened already, and a log of what each did and why.

A trigger does nothing that a person could not do by a route: its actions are `complaints.steps` and a few of its own.
"""
