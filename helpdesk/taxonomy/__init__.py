"""The words by which complaints are sorted and judged: categories and issues, root causes, outcomes, remedies, channels,
vulnerabilities, and the rules of severity. Data that the operator edits, in every version.

A domain of its own, below complaints: it knows no complaint, and everything that sorts one (intake, forms, imports, routing,
rules of severity) asks it. Codes are stable and never deleted, only retired: a retired one stays on what has it, and nothing
new gets it. Labels are for people, in any language.
"""
