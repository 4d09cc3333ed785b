"""What the house promises about itself, checked on its own source."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command

from config.celery import app as celery
from tests.conftest import LONG

ROOT = Path(__file__).resolve().parent.parent
ROOMS = [
    "timers",
    "incidents",
    "oncall",
    "notifications",
    "escalation",
    "comms",
    "reviews",
    "alerts",
    "runbooks",
    "insights",
    "drills",
]
PACKAGES = ["config", "incidents", "drills"]


def sources() -> Iterator[tuple[Path, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT), path.read_text()


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path, text in sources():
        yield path, ast.parse(text)


def calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def test_imports_go_one_way():
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout


def test_foreign_keys_point_down():
    height = {label: place for place, label in enumerate(ROOMS)}

    wrong = [
        f"{model._meta.label}.{field.name} → {field.related_model._meta.label}"
        for label in ROOMS
        for model in apps.get_app_config(label).get_models()
        for field in model._meta.get_fields()
        if field.concrete and field.is_relation and field.related_model
        if height.get(field.related_model._meta.app_label, -1) > height[label]
    ]

    assert wrong == []


def test_states_move_only_in_services():
    moves = {"identify", "start_mitigating", "resolve", "dismiss", "reopen"}

    wrong = [
        f"{path}:{line} {name}()"
        for path, tree in trees()
        if "services" not in path.parts and path.name != "services.py"
        for line, name in calls(tree)
        if "." in name and name.rpartition(".")[2] in moves
        if not name.startswith(("services.", "core.", "self.", "path.", "Path("))
        if not name.endswith(("DATA_DIR.resolve", "__file__).resolve"))
    ]

    assert wrong == []


def test_there_is_one_clock():
    banned = re.compile(r"timezone\.now|auto_now|datetime\.now\(|datetime\.utcnow|date\.today\(")
    allowed = {Path("incidents/timers/clock.py")}
    # Programs of their own, without a database to ask.
    standalone = "drills/demo/"

    wrong = [
        f"{path}:{number}"
        for path, text in sources()
        if path not in allowed and not str(path).startswith(standalone)
        for number, line in enumerate(text.splitlines(), 1)
        if banned.search(line)
    ]

    assert wrong == []


def test_celery_never_holds_a_timer():
    wrong = [
        f"{path}:{node.lineno}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg in {"eta", "countdown"}
    ]

    assert wrong == []


def test_imports_stand_at_the_top_but_in_ready():
    wrong = [
        f"{path}:{node.lineno} in {function.name}()"
        for path, tree in trees()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and function.name != "ready"
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert wrong == []


def test_functions_and_files_are_short():
    long_functions = [
        f"{path}:{node.name} {node.end_lineno - node.lineno + 1} lines"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.end_lineno - node.lineno + 1 > 50
    ]
    long_files = [
        f"{path} {text.count(chr(10))}" for path, text in sources() if text.count("\n") > 400
    ]

    assert (long_functions, long_files) == ([], [])


def test_the_files_that_begin_first_are_there():
    root = Path(__file__).resolve().parents[1]

    assert [path for path in LONG if not (root / path).is_file()] == []


def test_every_room_says_what_it_is_for():
    silent = [
        label for label in ROOMS if not (type(apps.get_app_config(label)).__doc__ or "").strip()
    ]

    assert silent == []


@pytest.mark.django_db
def test_no_migration_is_missing():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_readme_names_every_setting_and_everything_periodic():
    readme = (ROOT / "README.md").read_text()
    read = re.compile(r"env\.\w+\(\s*\"([A-Z_]+)\"")
    names = {
        name
        for path in ["config/settings.py", "config/env.py"]
        for name in read.findall((ROOT / path).read_text())
    }

    assert names
    assert [name for name in sorted(names) if f"`{name}`" not in readme] == []
    assert [name for name in celery.conf.beat_schedule if name not in readme] == []


def test_nothing_of_this_machine_is_in_the_project():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = re.compile(r"/(work|root|home)/\w")

    wrong = [
        name
        for name in listed.stdout.split()
        if (ROOT / name).suffix in {".py", ".md", ".toml", ".html", ".yaml", ""}
        and (ROOT / name).is_file()
        and name != "tests/test_architecture.py"
        and paths.search((ROOT / name).read_text(errors="replace"))
    ]

    assert wrong == []
