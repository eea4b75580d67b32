"""Finds in source what could run code that a file or a network sent, whatever name it is imported by."""

from __future__ import annotations

import ast
import builtins
from collections import defaultdict
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

__all__ = ["Found", "found_in"]

FORBIDDEN = {
    "loads objects by running what a file says": (
        "pickle", "_pickle", "cPickle", "pickletools", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal",
        "shelve", "yaml", "pandas.read_pickle", "pandas.eval", "torch.hub", "torch.jit.load", "torch.jit.freeze",
        "torch.package", "torch.export.load", "torch.save", "torch.distributed.rpc", "torch.distributed.*_object",
        "torch.distributed.*_object_list", "torch.distributed.checkpoint", "keras.models.load_model",
        "keras.saving.load_model", "multiprocessing.managers", "multiprocessing.connection.Client",
        "multiprocessing.connection.Listener", "webdataset.WebDataset",  # whose decoders unpickle
    ),
    "runs text as code": (
        "builtins.eval", "builtins.exec", "builtins.compile", "builtins.__import__", "builtins.breakpoint",
        "builtins.input", "builtins.__builtins__", "bdb", "cProfile.run", "code", "codeop", "doctest",
        "importlib.__import__", "importlib.machinery.*Loader", "importlib.util.module_from_spec",
        "importlib.util.spec_from_file_location", "importlib.metadata.entry_points", "imp", "logging.config",
        "numexpr", "pdb", "pkgutil.resolve_name", "pydoc.locate", "runpy", "site.addsitedir", "timeit",
        "torch.utils.cpp_extension", "types.CodeType", "types.FunctionType", "zipimport",
    ),
    "starts a program by its name or in a shell": (
        "asyncio.create_subprocess_shell", "os.exec*", "os.popen", "os.posix_spawn*", "os.spawn*", "os.startfile",
        "os.system", "posix", "pty", "subprocess.getoutput", "subprocess.getstatusoutput",
    ),
    "runs native code": (
        "_ctypes", "cffi", "ctypes", "numpy.ctypeslib.load_library", "torch.classes.load_library",
        "torch.ops.load_library",
    ),
    "follows entities of XML": ("lxml", "plistlib", "xml", "xmlrpc"),
    "takes text for HTML": ("jinja2.Template", "mako", "markupsafe.Markup"),
    "follows paths in an archive": ("shutil.unpack_archive",),
    "trusts any server, or a name that another may take": (
        "ssl._create_unverified_context", "ssl.CERT_NONE", "ssl.VerifyMode.CERT_NONE", "tempfile.mktemp",
    ),
}  # fmt: skip
"""Origins, by why. A pattern stands for all that is in a module of that name, too."""

METHODS = {"extract", "extractall", "unpack_archive", "read_pickle", "to_pickle"}
"""Of whatever object: names in tars and zips may lead anywhere, pandas unpickles."""

NATIVE = {"CDLL", "PyDLL", "LoadLibrary", "load_library", "enable_load_extension"}

ONLY_WITH = {
    "jinja2.Environment": ("autoescape", True),
    "jinja2.sandbox.*Environment": ("autoescape", True),
    "numpy.lib.format.read_array": ("allow_pickle", False),
    "numpy.lib.format.write_array": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "numpy.lib.npyio.load": ("allow_pickle", False),
    "numpy.save": ("allow_pickle", False),
    "numpy.savez*": ("allow_pickle", False),
    "torch.load": ("weights_only", True),
    "torch.serialization.load": ("weights_only", True),
}
"""What is safe with one keyword alone, which stands there as a constant."""

_COMPILERS = ("jit", "njit", "guvectorize", "vectorize")
_BUILTINS = {f"builtins.{name}" for name in (*dir(builtins), "__builtins__")}
_IMPORTERS = frozenset({"builtins.__import__", "importlib.__import__", "importlib.import_module"})

Origins = Mapping[str, set[str]]
Found = tuple[int, str, str]
"""A line, the origin of what it names, and why that is forbidden."""


def found_in(source: str) -> set[Found]:
    """Find each place of a file."""
    tree = ast.parse(source)
    origins, bound = origins_of(tree), _bound(tree)
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found: set[Found] = set()
    for node in ast.walk(tree):
        names: Iterator[tuple[str, str]] = iter(())
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = _of_import(node)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            names = _of_name(node, origins, bound, called.get(id(node)))
        elif isinstance(node, ast.Call):
            names = _of_call(node, origins, called.get(id(node)))
        found |= {(getattr(node, "lineno", 0), *name) for name in names}
    return found


def origins_of(tree: ast.AST) -> Origins:
    """Give what each name of a file may stand for, in dotted words: by imports, and by what is assigned from them."""
    origins: defaultdict[str, set[str]] = defaultdict(set)
    assigned: list[tuple[str, ast.expr]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                origins[alias.asname or top].add(alias.name if alias.asname else top)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                origins[alias.asname or alias.name].add(f"{node.module}.{alias.name}")
        elif isinstance(node, ast.Assign):
            assigned += [(target.id, node.value) for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name) and node.value:
            assigned.append((node.target.id, node.value))
    size = -1
    while size != (size := sum(map(len, origins.values()))):  # one name may be given to another
        for name, value in assigned:
            if names := resolved(value, origins):
                # A name that stands for itself in dots would grow for ever.
                origins[name] |= {one for one in names if one.count(".") < 8}
    return origins


def resolved(node: ast.expr, origins: Origins) -> set[str]:
    """Give the dotted origins of an expression; none where it is no name, or one that is made in the file."""
    match node:
        case ast.Name(id=name):
            return origins.get(name, {f"builtins.{name}"} & _BUILTINS)
        case ast.Attribute(value=value, attr=attr):
            return {f"{origin}.{attr}" for origin in resolved(value, origins)}
        case ast.Call(func=ast.Name(id="getattr"), args=[value, ast.Constant(value=str(attr)), *_]):
            return {f"{origin}.{attr}" for origin in resolved(value, origins)}
        case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]) if resolved(func, origins) & _IMPORTERS:
            return {name}
        case ast.Subscript(value=value, slice=ast.Constant(value=str(name))) if "sys.modules" in resolved(
            value, origins
        ):
            return {name}
    return set()


def why_not(origin: str) -> str | None:
    """Say why an origin is forbidden; None where it is not."""
    for why, patterns in FORBIDDEN.items():
        if any(fnmatchcase(origin, pattern) or fnmatchcase(origin, f"{pattern}.*") for pattern in patterns):
            return why
    return None


def _bound(tree: ast.AST) -> set[str]:
    """Give the names that a file makes itself: where one is that of a builtin, it need not be that."""
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return bound | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}


def _of_import(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        if any(alias.name == "*" for alias in node.names):
            yield f"{node.module}.*", "hides where names come from"
    yield from ((name, why) for name in names if (why := why_not(name)))


def _of_name(
    node: ast.Name | ast.Attribute, origins: Origins, bound: set[str], call: ast.Call | None
) -> Iterator[tuple[str, str]]:
    """Look at a name wherever it stands: one that is handed on is called elsewhere."""
    own = isinstance(node, ast.Name) and node.id in bound and node.id not in origins
    if own and call is None:  # a variable that bears a builtin's name
        return
    yield from _of_origins(resolved(node, origins), call)


def _of_origins(names: set[str], call: ast.Call | None) -> Iterator[tuple[str, str]]:
    """Look at what is called, or is handed on where there is no call."""
    for origin in names:
        if why := why_not(origin):
            yield origin, why
        for pattern, (keyword, value) in ONLY_WITH.items():
            if fnmatchcase(origin, pattern) and (call is None or _given(call, keyword) is not value):
                yield origin, f"is not called with {keyword}={value}"
        if origin in _IMPORTERS and not (call and call.args and isinstance(call.args[0], ast.Constant)):
            yield origin, "imports a name that is not written there"


def _of_call(call: ast.Call, origins: Origins, outer: ast.Call | None) -> Iterator[tuple[str, str]]:
    """Look at a call, and at what comes of it where that is a name: by ``getattr`` and imports."""
    last = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    yield from _of_origins(resolved(call, origins), outer)
    names = resolved(call.func, origins) or {last}
    for name in names:
        if name.startswith("subprocess.") or any(keyword.arg == "shell" for keyword in call.keywords):
            hidden = len(call.args) > 1 or any(keyword.arg is None for keyword in call.keywords)
            if hidden or _given(call, "shell", False) is not False:
                yield name, "may have a shell"
        if last in METHODS:
            yield name, "follows paths in an archive, or unpickles"
        if last in NATIVE:
            yield name, "runs native code"
        if name.rpartition(".")[2] in _COMPILERS and _given(call, "cache", False) is not False:
            yield name, "has a cache, which is a pickle"
        if _given(call, "verify") is False or _given(call, "cert_reqs") == "CERT_NONE":
            yield name, "looks at no certificate"


def _given(call: ast.Call, name: str, otherwise: object = None) -> object:
    """Give the constant that a keyword has in a call, or what is the case otherwise; an object where it is none."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value.value if isinstance(keyword.value, ast.Constant) else keyword
    return otherwise
