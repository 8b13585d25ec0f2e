"""The layers of the code: which package may import which, down to the sub-packages, and what every folder must have.

`LAYERS` lists the packages and their parts from the bottom up. A module belongs to the longest name in the list that
begins its own name. It may import what lies on lower layers of its package, and the packages of `MAY_IMPORT`.
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "faces": {"core"},
    "weights": {"faces", "core"},
    "gen": {"faces", "core"},
    "inversion": {"gen", "faces", "core"},
    "editing": {"inversion", "gen", "faces", "core"},
    "recognition": {"faces", "core", "gestaltgen_client"},
    "studies": {"core"},
    "api": {"recognition", "studies", "editing", "inversion", "gen", "faces", "core", "weights"},
    "gestaltgen": {
        "api",
        "recognition",
        "studies",
        "editing",
        "inversion",
        "gen",
        "weights",
        "faces",
        "core",
        "gestaltgen_client",
    },
    "examples": {"gestaltgen_client"},
}
"""The packages that each package may import."""

LAYERS: dict[str, list[list[str]]] = {
    "api": [
        ["api.settings", "api.refusal_reasons"],
        ["api.problem_types"],
        ["api.problems"],
        ["api.operations"],
        ["api.access", "api.encryption"],
        ["api.jobs", "api.provenance"],
        ["api.models"],
        ["api.image_sets", "api.photographs"],
        ["api.stores"],
        ["api.schemas.administration", "api.schemas.assessments"],
        ["api.schemas", "api.resources"],
        ["api.authentication"],
        ["api.dependencies", "api.representations", "api.documented_responses", "api.file_responses"],
        ["api.html_pages", "api.job_answers"],
        ["api.openapi_page"],
        ["api.json_bodies"],
        ["api.routes"],
        ["api.studio", "api.studio.words"],
        [
            "api.studio.answer_analysis",
            "api.studio.explanation_words",
            "api.studio.forms",
            "api.studio.markdown",
            "api.studio.photograph_choices",
            "api.studio.photograph_words",
            "api.studio.quiz_runs",
        ],
        ["api.studio.image_set_requests", "api.studio.service_calls"],
        ["api.studio.pages"],
        ["api.studio.page_route"],
        ["api.studio.routes"],
        ["api.studio.application"],
        ["api.app"],
    ],
    "faces": [
        ["faces.conditions"],
        ["faces"],
        ["faces.datasets", "faces.heads"],
        ["faces.phantoms"],
        ["faces.measures"],
        ["faces.oracle"],
    ],
    "gen": [
        ["gen.labels"],
        ["gen.config"],
        ["gen.kernels.compiled_loops"],
        ["gen.kernels", "gen.augmentation", "gen.inference"],
        ["gen"],
        ["gen.published"],
        ["gen.official"],
        ["gen.training"],
        ["gen.evaluation"],
    ],
    "inversion": [
        ["inversion.config"],
        ["inversion.networks"],
        ["inversion.inference"],
        ["inversion"],
        ["inversion.training", "inversion.published"],
    ],
    "recognition": [
        ["recognition.networks", "recognition.images"],
        ["recognition"],
        ["recognition.training"],
        ["recognition.results"],
        ["recognition.runs"],
        ["recognition.explanation.saliency", "recognition.explanation.regions"],
        ["recognition.explanation"],
        ["recognition.explanation.face_explanation"],
        [
            "recognition.explanation.questions",
            "recognition.explanation.reports",
            "recognition.explanation.truth",
        ],
        ["recognition.syndromes.cohorts", "recognition.syndromes.features"],
        ["recognition.syndromes.models"],
        ["recognition.syndromes.comparison", "recognition.syndromes.assessment"],
    ],
    "studies": [
        ["studies.answers"],
        ["studies.analysis", "studies.packs"],
        ["studies.gaze", "studies.plan", "studies.quiz"],
        ["studies.report"],
    ],
}
"""The parts of a package, lowest layer first; parts of one layer do not import each other."""

PRODUCT = [*MAY_IMPORT, "benchmarks", "experiments", "release"]
MOST_MODULES = 16


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for package in PRODUCT for file in files_of(package)}


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of everything that a file imports; the name is empty for `import module`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def modules_imported(path: Path) -> set[str]:
    """The modules of ours that a file imports, sub-modules taken by `from package import module` included."""
    found = set()
    for module, name in imports(path):
        whole = f"{module}.{name}"
        found |= {whole if whole in MODULES else module} & MODULES.keys()
    return found


def layer_of(module: str) -> tuple[int, str] | None:
    """The layer of a module within its package, and the part that it belongs to."""
    layers = LAYERS.get(module.split(".")[0], [])
    places = [(layer, part) for layer, parts in enumerate(layers) for part in parts]
    mine = [place for place in places if module == place[1] or module.startswith(f"{place[1]}.")]
    return max(mine, key=lambda place: len(place[1]), default=None)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_only_packages_below_them(package: str) -> None:
    assert files_of(package)
    for file in files_of(package):
        for module, _ in imports(file):
            top = module.split(".")[0]
            if top in {*PRODUCT, "gestaltgen_client", "tests"} and top != package:
                assert top in MAY_IMPORT[package], f"{file.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("package", LAYERS)
def test_parts_of_a_package_import_only_parts_below_them(package: str) -> None:
    wrong = []
    for module, file in MODULES.items():
        mine = layer_of(module)
        if module.split(".")[0] != package or mine is None:
            continue
        for other in modules_imported(file):
            theirs = layer_of(other)
            if theirs is not None and other.split(".")[0] == package and theirs[1] != mine[1] and theirs[0] >= mine[0]:
                wrong.append(f"{module} imports {other}")
    assert not wrong


def test_every_part_of_a_layered_package_has_a_layer() -> None:
    missing = [m for m in MODULES if m.split(".")[0] in LAYERS and "." in m and layer_of(m) is None]
    assert not missing


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: modules_imported(file) - {module} for module, file in MODULES.items()}
    assert [*graphlib.TopologicalSorter(graph).static_order()]  # raises CycleError, which names the circle


def test_private_names_stay_in_their_package() -> None:
    wrong = []
    for module, file in MODULES.items():
        package = module.rpartition(".")[0]
        wrong += [
            f"{module} takes {name} of {other}"
            for other, name in imports(file)
            if other in MODULES and name.startswith("_") and not other.startswith(package)
        ]
    assert not wrong


@pytest.mark.parametrize("package", [p for p in PRODUCT if p != "examples"])
def test_folders_are_small_and_say_what_they_hold(package: str) -> None:
    for folder in {file.parent for file in files_of(package)}:
        modules = [file for file in folder.glob("*.py") if file.name != "__init__.py"]
        assert len(modules) <= MOST_MODULES, f"{folder.relative_to(ROOT)} holds {len(modules)} modules"
        doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert len((doc or "").split()) >= 10, f"{folder.relative_to(ROOT)}/__init__.py does not say what lives there"


def test_the_client_imports_nothing_of_ours() -> None:
    files = sorted((ROOT / "client" / "gestaltgen_client").rglob("*.py"))
    assert files
    for file in files:
        tops = {module.split(".")[0] for module, _ in imports(file)}
        assert not tops & set(PRODUCT), file


def test_examples_use_what_users_have() -> None:
    """Examples import the client, and nothing else of ours."""
    for file in files_of("examples"):
        assert not {module.split(".")[0] for module, _ in imports(file)} & set(MAY_IMPORT), file


@pytest.mark.parametrize("package", ["core", "faces", "gen", "inversion", "editing", "recognition", "studies"])
def test_networks_and_mathematics_know_no_command_line(package: str) -> None:
    for file in files_of(package):
        assert not {"typer", "rich", "argparse", "click"} & {module.split(".")[0] for module, _ in imports(file)}, file


SLOW_TO_IMPORT = {"sklearn", "scipy.stats", "matplotlib"}
"""Packages that take seconds to import. Modules that a service or a command imports load them when they are needed."""

LOADED_BY_SERVICE = (
    "core",
    "faces",
    "weights",
    "gen.kernels",
    "gen.published",
    "inversion",
    "editing",
    "studies.quiz",
    "api",
)


@pytest.mark.parametrize("package", LOADED_BY_SERVICE)
def test_a_service_starts_without_packages_that_are_slow_to_import(package: str) -> None:
    found = []
    for file in files_of(package.replace(".", "/")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            found += [
                (file.name, name) for name in names if any(f"{name}.".startswith(f"{x}.") for x in SLOW_TO_IMPORT)
            ]
    assert found == []
