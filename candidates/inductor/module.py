"""A candidate out of what torch.compile generated: kernels, one function that launches them, and ModelNew."""

import ast
import re
from collections.abc import Iterator

from candidates.inductor import helpers
from candidates.inductor.forward import Forward, Sources, Tensor
from candidates.inductor.generated import Generated, read
from candidates.inductor.layout import formatted
from candidates.inductor.merging import Holes, Unrewritable, merge
from candidates.inductor.wording import free_name
from evaluator.generation import Generation, Graph

_IMPORTS = "import torch\nimport torch.nn as nn\nimport triton\nimport triton.language as tl\n"
_LIBDEVICE = "from triton.language.extra import libdevice\n"
_FUNCTION = "compiled"
_SOURCE = re.compile(r"\['(\w+)'\]|\[(\d+)\]|\.(\w+)")
_PARTS = frozenset({"_modules", "_parameters", "_buffers"})


def candidate(generation: Generation, reference: str) -> str:
    """The source of a candidate that does what torch.compile does.

    Args:
        reference: text of the reference file; its `Model.__init__` becomes ModelNew's.

    Raises:
        Unrewritable: something in the generated code, or in the reference, has no place in a candidate.
    """
    if generation.reason:
        raise Unrewritable(generation.reason)
    if generation.true is None or not generation.near:
        raise Unrewritable("nothing was generated")
    model = _Model(reference)
    near = [read(graph.code) for graph in generation.near]
    true = read(generation.true.code)
    tensors, arguments = _arguments(near, [*generation.near, generation.true], model)
    inputs = {t.name for t in tensors.values() if t.contiguous and arguments[t.name] in model.names}
    forward = Forward(_merged(near, true, generation), tensors, generation.outputs)
    forward.write()
    contiguous = [f"{name} = {name}.contiguous()" for name in arguments if name in inputs]
    body = "\n    ".join([*contiguous, *forward.lines])
    names = ", ".join(arguments)
    needed = {need for kernel in forward.kernels.values() for need in kernel.needs}
    parts = [
        _IMPORTS + (_LIBDEVICE if "libdevice" in needed else "") + model.imports,
        *(helpers.SOURCES[name].strip() for name in helpers.SOURCES if name in needed),
        *(ast.unparse(kernel.function) for kernel in forward.kernels.values()),
        f"def {_FUNCTION}({names}):\n    {body}",
        *model.surroundings(),
        model.text(f"{_FUNCTION}({', '.join(arguments.values())})"),
    ]
    return formatted("\n\n\n".join(part.strip("\n") for part in parts) + "\n")


def _merged(near: list[Generated], true: Generated, generation: Generation) -> Sources:
    if any(len(other.launches) != len(near[0].launches) for other in (*near, true)):
        raise Unrewritable("Inductor launches another number of kernels at sizes a little below the true ones")
    holes = Holes()
    statements = merge([part.call for part in (*near, true)], holes, "what surrounds the kernels")
    merged = {}
    for number, name in enumerate(near[0].launches):
        own = Holes()
        functions = [part.kernels[part.launches[number]].function for part in near]
        merged[name] = (_joined(functions, own, name), own)
    return Sources(near, true, statements, holes, merged, generation.configurations)


def _joined(functions: list[ast.FunctionDef], holes: Holes, name: str) -> ast.FunctionDef:
    joined = merge([[function.args, function.body] for function in functions], holes, f"the kernel {name}")
    found = ast.FunctionDef(name=name, args=joined[0], body=joined[1], decorator_list=[], returns=None)
    return ast.fix_missing_locations(found)


def _arguments(near: list[Generated], graphs: list[Graph], model: "_Model") -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors that `call` takes, by their names there; and the function's parameters with what is passed."""
    tensors: dict[str, Tensor] = {}
    passed: dict[str, str] = {}
    for index, name in enumerate(near[0].arguments):
        entries = [graph.arguments[index] for graph in graphs]
        text = model.expression(entries[0].source)
        word = re.sub(r"\W+", "_", text.removeprefix(f"{model.self}.")).strip("_")
        word = free_name(word, set(passed))
        passed[word] = text
        shape = [tuple(values) for values in zip(*(entry.shape for entry in entries), strict=True)]
        strides = [tuple(values) for values in zip(*(entry.strides for entry in entries), strict=True)]
        tensors[name] = Tensor(word, shape, strides)
    inputs_first = sorted(passed, key=lambda word: passed[word].startswith(f"{model.self}."))
    ordered = dict(sorted(tensors.items(), key=lambda item: inputs_first.index(item[1].name)))
    return ordered, {word: passed[word] for word in inputs_first}


class _Model:
    """The reference's module class, and what of its file a candidate needs.

    Raises:
        Unrewritable: the file has no class Model with a forward.
    """

    def __init__(self, reference: str) -> None:
        self._tree = ast.parse(reference)
        found = [node for node in self._tree.body if isinstance(node, ast.ClassDef) and node.name == "Model"]
        methods = {node.name: node for node in found[0].body if isinstance(node, ast.FunctionDef)} if found else {}
        if "forward" not in methods:
            raise Unrewritable("the reference has no class Model with a forward of its own")
        self._class = found[0]
        self._forward = methods.pop("forward")
        self._methods = methods
        parameters = self._forward.args
        self.self, *self.names = [argument.arg for argument in (*parameters.posonlyargs, *parameters.args)]

    def expression(self, source: str) -> str:
        """`L['self']._modules['norm']._parameters['weight']` as `self.norm.weight`.

        Raises:
            Unrewritable: the argument is neither an input nor a tensor of the module.
        """
        text = ""
        for word, number, attribute in _SOURCE.findall(source):
            if attribute in _PARTS:
                continue
            if number or (word.isdecimal() and text):
                text += f"[{number or word}]"
            else:
                text += f".{word or attribute}" if text else (word or attribute)
        root = re.split(r"\W", text)[0]
        if not source.startswith("L[") or root not in (self.self, *self.names):
            raise Unrewritable(f"the generated code takes {source}, which is no input and no tensor of the module")
        return text

    @property
    def imports(self) -> str:
        """Import lines of the reference, beyond ours, whose names are needed."""
        needed = self._needed()
        lines = []
        for node in self._tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.asname or alias.name.partition(".")[0] for alias in node.names}
                if names & needed - {"torch", "nn"}:
                    lines.append(ast.unparse(node))
        return "\n".join(lines)

    def surroundings(self) -> Iterator[str]:
        """Definitions of the reference that its `__init__` uses."""
        needed = self._needed()
        for node in self._tree.body:
            if node is not self._class and _defined(node) & needed:
                yield ast.unparse(node)

    def text(self, result: str) -> str:
        """The class ModelNew, whose forward returns `result`."""
        forward = ast.parse(f"def forward(self):\n    return {result}").body[0]
        assert isinstance(forward, ast.FunctionDef)
        forward.args = self._forward.args
        kept = [node for name, node in self._methods.items() if name == "__init__" or name in self._called()]
        renamed = ast.ClassDef("ModelNew", self._class.bases, self._class.keywords, [*kept, forward], [])
        text = ast.unparse(ast.fix_missing_locations(renamed))
        return re.sub(r"super\(Model, ?\w+\)", "super()", text)

    def _called(self) -> set[str]:
        """Names of the module's own methods that its `__init__` calls."""
        init = self._methods.get("__init__")
        nodes = ast.walk(init) if init else ()
        return {node.attr for node in nodes if isinstance(node, ast.Attribute) and node.attr in self._methods}

    def _needed(self) -> set[str]:
        """Names of the file that the kept methods use, directly or through what they use."""
        kept = [node for name, node in self._methods.items() if name == "__init__" or name in self._called()]
        pending: list[ast.AST] = [*kept, *self._class.bases, self._forward.args]
        names: set[str] = set()
        while pending:
            for node in ast.walk(pending.pop()):
                if isinstance(node, ast.Name) and node.id not in names:
                    names.add(node.id)
                    pending += [other for other in self._tree.body if node.id in _defined(other)]
        return names - {"Model"}


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    return set()
