#!/usr/bin/env python3
"""Builds the package: a PEP 517 backend that needs the compiler, Python's and Boost's headers, and
nothing from a network. On Debian: g++, python3-dev and libboost-dev.

    python3 build_backend.py wheel DIRECTORY       a wheel for this architecture, CPython 3.9 and on
    python3 build_backend.py sdist DIRECTORY       the sources, those of the C++ library with them
    python3 build_backend.py in-place DIRECTORY    the package as it would be installed

Environment: CXX (g++), CXXFLAGS (-O2), LDFLAGS; XASE_SANITIZE (for -fsanitize=).
"""

from __future__ import annotations

import base64
import concurrent.futures
import hashlib
import io
import os
import pathlib
import py_compile
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
# In the project, or in what build_sdist() made.
ROOT = HERE / "native" if (HERE / "native").is_dir() else HERE.parents[1]
NAME = "xase"
TAG = "cp39-abi3-" + re.sub(r"[-.]", "_", sysconfig.get_platform())
EXTENSION = "_core.abi3.so"
NEEDS = "building xase needs a C++20 compiler, Python's headers and Boost's: on Debian, " \
        "apt install g++ python3-dev libboost-dev"
# So that the same sources give the same wheel.
EPOCH = (1980, 1, 1, 0, 0, 0)


def version() -> str:
    header = (ROOT / "client/include/xase/xase.h").read_text()
    parts = [re.search(rf"define XASE_VERSION_{part} (\d+)", header)
             for part in ("MAJOR", "MINOR", "PATCH")]
    return ".".join(part.group(1) for part in parts if part)


# ---- the extension ----

def _flags() -> list[str]:
    flags = ["-std=c++20", "-fPIC", "-pthread", "-fvisibility=hidden",
             "-fvisibility-inlines-hidden", "-ffunction-sections", "-fdata-sections",
             "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion",
             f"-I{ROOT}", f"-I{ROOT / 'client/include'}", f"-I{HERE}",
             "-isystem", sysconfig.get_path("include"),
             f"-ffile-prefix-map={ROOT}=."]
    if sysconfig.get_platform().endswith("x86_64"):
        flags.append("-mprfchw")  # prefetch for writing; nothing on processors without it
    if hasattr(sys, "gettotalrefcount"):
        flags.append("-DPy_DEBUG")  # counts references as this interpreter does
    if sanitize := os.environ.get("XASE_SANITIZE"):
        flags += [f"-fsanitize={sanitize}", "-fno-omit-frame-pointer",
                  "-fno-sanitize-recover=undefined"]
    return flags


def _run(command: list[str]) -> None:
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise SystemExit(f"{shlex.join(command)}\n{done.stdout}\n{NEEDS}")
    if done.stdout:
        print(done.stdout, file=sys.stderr)


def build_extension(to: pathlib.Path) -> None:
    compiler = shlex.split(os.environ.get("CXX", "g++"))
    if shutil.which("ccache") and "ccache" not in compiler[0]:
        compiler = ["ccache", *compiler]
    if not shutil.which(compiler[-1]):
        raise SystemExit(NEEDS)
    optimise = shlex.split(os.environ.get("CXXFLAGS", "-O2"))
    library = sorted((ROOT / "client/src").glob("*.cpp"))
    own = sorted((HERE / "src").glob("*.cpp"))
    with tempfile.TemporaryDirectory() as objects:
        def compile_one(source: pathlib.Path) -> str:
            object_file = f"{objects}/{source.parent.parent.name}-{source.stem}.o"
            # Python ends its threads by unwinding them: nothing of ours may catch that.
            more = [] if source in library else ["-fno-exceptions", "-fno-rtti"]
            _run([*compiler, *_flags(), *optimise, *more, "-c", str(source), "-o", object_file])
            return object_file

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            made = list(pool.map(compile_one, library + own))
        strip = [] if "XASE_SANITIZE" in os.environ else ["-Wl,-s"]
        _run([*compiler, *_flags(), *optimise, "-shared", *made, "-o", str(to),
              "-static-libstdc++", "-static-libgcc", "-ldl", "-Wl,--gc-sections", *strip,
              f"-Wl,--version-script={HERE / 'src/module.map'}", "-Wl,-z,relro,-z,now,-z,nodelete",
              *shlex.split(os.environ.get("LDFLAGS", ""))])


# ---- what is installed ----

def package_files() -> dict[str, pathlib.Path]:
    return {f"{NAME}/{file.name}": file for file in sorted((HERE / NAME).iterdir())
            if file.suffix in (".py", ".pyi", ".typed") or file.name == "py.typed"}


def metadata() -> str:
    return "\n".join([
        "Metadata-Version: 2.1", f"Name: {NAME}", f"Version: {version()}",
        "Summary: Record what an AI decides, so that it can be accounted for",
        "License: MIT", "Requires-Python: >=3.9", "Classifier: Programming Language :: Python :: 3",
        "Classifier: Operating System :: POSIX :: Linux", "Classifier: Typing :: Typed",
        "Description-Content-Type: text/markdown", "", (HERE / "README.md").read_text()])


def _dist_info() -> dict[str, str]:
    folder = f"{NAME}-{version()}.dist-info"
    files = {f"{folder}/METADATA": metadata(),
             f"{folder}/WHEEL": "Wheel-Version: 1.0\nGenerator: xase build_backend\n"
                                f"Root-Is-Purelib: false\nTag: {TAG}\n"}
    licence = ROOT / "LICENSE"
    if licence.is_file():
        files[f"{folder}/LICENSE"] = licence.read_text()
    return files


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


# ---- PEP 517 ----

def get_requires_for_build_wheel(config_settings: object = None) -> list[str]:
    return []


def get_requires_for_build_sdist(config_settings: object = None) -> list[str]:
    return []


def prepare_metadata_for_build_wheel(metadata_directory: str,
                                     config_settings: object = None) -> str:
    folder = f"{NAME}-{version()}.dist-info"
    pathlib.Path(metadata_directory, folder).mkdir()
    for name, text in _dist_info().items():
        pathlib.Path(metadata_directory, name).write_text(text)
    return folder


def build_wheel(wheel_directory: str, config_settings: object = None,
                metadata_directory: object = None) -> str:
    name = f"{NAME}-{version()}-{TAG}.whl"
    contents = {path: file.read_bytes() for path, file in package_files().items()}
    with tempfile.TemporaryDirectory() as folder:
        extension = pathlib.Path(folder, EXTENSION)
        build_extension(extension)
        contents[f"{NAME}/{EXTENSION}"] = extension.read_bytes()
    contents.update({path: text.encode() for path, text in _dist_info().items()})
    record = f"{NAME}-{version()}.dist-info/RECORD"
    lines = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in contents.items()]
    contents[record] = ("\n".join([*lines, f"{record},,"]) + "\n").encode()
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, data in contents.items():
            entry = zipfile.ZipInfo(path, EPOCH)
            mode = 0o755 if path.endswith(".so") else 0o644
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, data)
    return name


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:
    base = f"{NAME}-{version()}"
    own = [HERE / "pyproject.toml", HERE / "README.md", HERE / "build_backend.py",
           *package_files().values(), *sorted((HERE / "src").iterdir())]
    native = [*sorted((ROOT / "client/src").glob("*.?pp")),
              *sorted((ROOT / "client/include/xase").iterdir()),
              *sorted((ROOT / "proto").glob("*.hpp")), ROOT / "LICENSE"]
    files = {file.relative_to(HERE).as_posix(): file.read_bytes() for file in own}
    files.update({f"native/{file.relative_to(ROOT).as_posix()}": file.read_bytes()
                  for file in native if file.is_file()})
    files["PKG-INFO"] = metadata().encode()
    with tarfile.open(pathlib.Path(sdist_directory, f"{base}.tar.gz"), "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"{base}/{name}")
            entry.size = len(data)
            entry.mode = 0o755 if data.startswith(b"#!") else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return f"{base}.tar.gz"


def build_in_place(directory: str) -> str:
    package = pathlib.Path(directory, NAME)
    package.mkdir(parents=True, exist_ok=True)
    for path, file in package_files().items():
        shutil.copyfile(file, pathlib.Path(directory, path))
        if path.endswith(".py"):
            py_compile.compile(str(pathlib.Path(directory, path)), quiet=1)
    made = package / f".{EXTENSION}.new"
    build_extension(made)
    made.rename(package / EXTENSION)  # a process may have the old one mapped
    return str(package)


def main(arguments: list[str]) -> int:
    commands = {"wheel": build_wheel, "sdist": build_sdist, "in-place": build_in_place}
    if len(arguments) != 2 or arguments[0] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    pathlib.Path(arguments[1]).mkdir(parents=True, exist_ok=True)
    print(pathlib.Path(arguments[1], commands[arguments[0]](arguments[1])))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
