"""The shape of the program, checked: the import order of the domains, and the vocabulary of files inside each.

What a file may know is written in the table below, which is `architecture.md`'s: a row may import the rows below it,
never above. How it can fail: a convenient import turns two domains into one; a second place commits; a route looks a row
up past `visible_to`.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from importlinter.cli import lint_imports

import helpdesk

ROOT: Final = Path(helpdesk.__file__).parent
DOMAINS: Final = (
    "identity",
    "customers",
    "taxonomy",
    "complaints",
    "sla",
    "recovery",
    "suggestions",
    "automation",
    "integrations",
)
HEIGHT: Final = {
    "api": 6,
    "jobs": 6,
    "cli": 6,
    "subscribers": 6,
    "schemas": 5,
    "service": 4,
    "queries": 3,
    "models": 2,
    "lifecycle": 1,
    "events": 0,
    "errors": 0,
}
"""The fixed words. Any other file of a domain is named after a noun or an act, or is a formula."""

NO_NAMES: Final = {
    "utils",
    "util",
    "helpers",
    "common",
    "misc",
    "base",
    "core",
    "manager",
    "handlers",
    "constants",
    "types",
}
"""Words that say nothing: what is in such a file belongs somewhere else."""

PURE: Final = ("helpdesk.kernel.state_machine", "helpdesk.kernel.money", "helpdesk.recovery.kinds")
COMMITTING: Final = ("kernel/unit_of_work.py", "kernel/migrations.py", "kernel/embedded")
FLASK: Final = {
    "identity/authentication.py": "reads the credentials of the request",
    "integrations/api.py": "takes a file of a gigabyte as it comes, which `kernel.http` does not",
}

SELECTING: Final = {"queries", "verification", "models"}


@cache
def sources(folder: Path = ROOT) -> list[tuple[str, ast.Module]]:
    """Every file below a folder: its path from the program's root, and its tree."""
    return [
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(folder.rglob("*.py"))
    ]


def domain_files() -> Iterator[tuple[str, str, ast.Module]]:
    """Domain, word and tree of each file of a domain."""
    for domain in DOMAINS:
        for name, tree in sources(ROOT / domain):
            yield domain, word_of(Path(name).stem), tree


def word_of(stem: str) -> str:
    """`attachment_queries` is a `queries`: a domain whose file of one word holds several ideas has one for each noun."""
    last = stem.rpartition("_")[2]
    return last if last in {*HEIGHT, "verification"} else stem


def imported(tree: ast.Module) -> Iterator[str]:
    """Dotted names, of modules and of what is taken out of them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(tree: ast.Module, method: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method:
            yield node


def test_import_contracts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT.parent / "pyproject.toml"), cache_dir=str(tmp_path))
    assert status == 0, capsys.readouterr().out


def test_every_folder_is_a_domain_that_says_why_it_is() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders == {*DOMAINS, "kernel"}
    for name in folders:
        tree = ast.parse((ROOT / name / "__init__.py").read_text(encoding="utf-8"))
        assert len(ast.get_docstring(tree) or "") > 40, name


def test_names_of_files_say_something() -> None:
    for name, _ in sources():
        assert not NO_NAMES & set(Path(name).stem.split("_")), name


def test_a_file_knows_only_what_is_below_it() -> None:
    """Of its own domain and of any other; `subscribers` may read anybody's `events`, which are at the bottom."""
    wrong = []
    for domain, word, tree in domain_files():
        for name in imported(tree):
            parts = name.split(".")
            if len(parts) < 3 or parts[0] != "helpdesk" or parts[1] not in DOMAINS:
                continue
            height = HEIGHT.get(word_of(parts[2]), 0)
            if word in HEIGHT and height > HEIGHT[word]:
                wrong.append(f"{domain}/{word}.py imports {name}")
            if word not in HEIGHT and height >= HEIGHT["api"]:
                wrong.append(f"{domain}/{word}.py imports {name}")
    assert wrong == []


def test_models_and_lifecycles_know_no_acts() -> None:
    for domain, word, tree in domain_files():
        if word in {"models", "lifecycle"}:
            named = {
                word_of(name.split(".")[2])
                for name in imported(tree)
                if name.startswith("helpdesk.") and name.count(".") > 1
            }
            assert not named & {"service", "api", "queries", "schemas", "jobs", "subscribers"}, (domain, word)


def test_lifecycles_are_pure() -> None:
    seen = 0
    for domain, word, tree in domain_files():
        if word == "lifecycle":
            seen += 1
            ours = [name for name in imported(tree) if name.startswith("helpdesk.")]
            assert all(name.startswith(PURE) for name in ours), (domain, ours)
            assert not any(name.startswith(("sqlalchemy", "flask", "marshmallow")) for name in imported(tree)), domain
    assert seen >= 2


def test_events_and_errors_stand_on_the_kernel_alone() -> None:
    """And on the first of their own domain's, where these have several files."""
    for domain, word, tree in domain_files():
        if word in {"events", "errors"}:
            ours = [name for name in imported(tree) if name.startswith("helpdesk.")]
            below = ("helpdesk.kernel.events", "helpdesk.kernel.errors", f"helpdesk.{domain}.{word}")
            assert all(name.startswith(below) for name in ours), domain


def test_only_routes_see_http() -> None:
    for domain, word, tree in domain_files():
        names = set(imported(tree))
        if word != "api":
            assert not any(name.startswith("helpdesk.kernel.http") for name in names), (domain, word)
        if f"{domain}/{word}.py" not in FLASK:
            assert not any(name.split(".")[0] in {"flask", "werkzeug"} for name in names), (domain, word)


def test_routes_and_acts_do_not_reach_for_the_driver() -> None:
    for domain, word, tree in domain_files():
        assert not any(name.split(".")[0] in {"redis", "rq", "alembic"} for name in imported(tree)), (domain, word)


def test_one_place_commits() -> None:
    found = [name for name, tree in sources() if any(calls(tree, "commit")) and not name.startswith(COMMITTING)]
    assert found == []


def test_selects_stand_in_queries() -> None:
    """What is asked of a table is found in one file of its domain."""
    found = set()
    for name, tree in sources():
        if name.startswith("kernel/") or word_of(Path(name).stem) in SELECTING:
            continue
        if "sqlalchemy.select" in set(imported(tree)):
            found.add(name)
    assert found == set()


def test_no_domain_enqueues() -> None:
    for name, tree in sources():
        if name != "kernel/doorbell.py":
            assert not [*calls(tree, "enqueue"), *calls(tree, "enqueue_call")], name


def test_routes_do_not_look_a_complaint_up_past_its_visibility() -> None:
    for domain, word, tree in domain_files():
        if word in {"api", "service"}:
            for name in ("get", "get_one"):
                for call in calls(tree, name):
                    what = ast.unparse(call.args[0]) if call.args else ""
                    assert what.rsplit(".", maxsplit=1)[-1] != "Complaint", (domain, ast.unparse(call))


def test_patterns_are_of_the_whole_text() -> None:
    """Marshmallow's own would let a line break through behind it."""
    found = {name for name, tree in sources() if [*calls(tree, "Regexp")]}
    assert found == set()


def test_the_status_is_assigned_in_one_function() -> None:
    """Style, habit 3: one function assigns a status."""
    found = [
        name
        for name, tree in sources(ROOT / "complaints")
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Attribute) and target.attr == "status" for target in node.targets)
    ]
    assert found == ["complaints/acts.py"]


def test_the_database_says_what_time_it_is() -> None:
    """A worker's own clock decides nothing (files' ages are told by the clock that wrote them)."""
    for domain, word, tree in domain_files():
        for name in ("now", "utcnow", "today"):
            for call in calls(tree, name):
                told = ast.unparse(call.func)
                assert told == "func.now", (domain, word, told)
