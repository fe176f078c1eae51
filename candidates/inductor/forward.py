"""The generated `call` as a plain function: allocations, launches, and calls of public torch functions."""

import ast
import re
from dataclasses import dataclass, field

from candidates.inductor.fitting import Fitting, Shape
from candidates.inductor.generated import Generated, Kernel
from candidates.inductor.kernels import Rewritten, readable, rewrite
from candidates.inductor.merging import Holes, Unrewritable, Values
from candidates.inductor.wording import apart, first_name, free_name, structured

_IGNORED = ("copy_if_misaligned", "get_raw_stream", "assert_alignment", "args.clear", "torch.cuda.set_device")
_WITH_OUT = ("mm", "addmm", "bmm", "baddbmm")


@dataclass
class Tensor:
    """A tensor in `call`: its name in the candidate, and at each set of sizes its shape and strides."""

    name: str
    shape: list[Values]
    strides: list[Values]

    @property
    def contiguous(self) -> bool:
        """As torch lays tensors out by default, at every set of sizes."""
        return self.strides == default_strides(self.shape)


def default_strides(shape: list[Values]) -> list[Values]:
    """Of a contiguous tensor; by dimension, at each set of sizes."""
    strides: list[Values] = []
    following: Values = (1,) * len(shape[0]) if shape else ()
    for sizes in reversed(shape):
        strides.insert(0, following)
        following = tuple(max(size, 1) * step for size, step in zip(sizes, following, strict=True))
    return strides


@dataclass(frozen=True)
class Sources:
    """What one function is made from: the parts at each set of sizes, the true ones last, and merged statements."""

    near: list[Generated]
    true: Generated
    statements: list[ast.stmt]
    holes: Holes
    merged: dict[str, tuple[ast.FunctionDef, Holes]]  # by kernel's name at the near sizes
    configurations: dict[str, dict[str, int]]  # by kernel's name at the true sizes


@dataclass
class Forward:
    """Writes the function. After `write`, `lines` is its body and `kernels` are those that it launches."""

    sources: Sources
    tensors: dict[str, Tensor]  # by the name in the generated code
    outputs: dict[str, object]  # structure of the result
    kernels: dict[str, Rewritten] = field(default_factory=dict)  # by name at the near sizes
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._count = len(self.sources.near) + 1
        self._fitting = Fitting(self._count)
        self._moved: set[str] = set()  # names whose tensor goes on under another one
        self._device = next(iter(self.tensors.values())).name
        for name in sorted(self.tensors, key=lambda name: "." in name):
            self._know(self.tensors[name])

    def write(self) -> None:
        """Rewrite every statement.

        Raises:
            Unrewritable: one is not known here.
        """
        for statement in self.sources.statements:
            match statement:
                case ast.Delete():
                    self._delete(statement)
                case ast.Return(value=ast.expr() as value):
                    self._return(value)
                case ast.Expr(value=ast.Call() as call):
                    self._call(call, statement)
                case ast.Assign(targets=[ast.Name(id=target)], value=ast.Name(id=source)):
                    self.tensors[target] = self.tensors[source]
                    self._moved.add(source)
                case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call() as call):
                    self._assign(target, call, statement)
                case ast.Assign(value=ast.Name(id="args")):
                    pass
                case _:
                    raise _unknown(statement)

    # One kind of statement each.

    def _delete(self, statement: ast.Delete) -> None:
        for target in statement.targets:
            name = ast.unparse(target)
            if name.startswith("buf") and name not in self._moved:
                self.lines.append(f"del {self.tensors[name].name}")

    def _assign(self, target: str, call: ast.Call, statement: ast.stmt) -> None:
        name = ast.unparse(call.func)
        if name.startswith(_IGNORED):
            return
        if name == "empty_strided_cuda":
            self._allocate(target, call)
        elif name == "extern_kernels.convolution":
            self.lines.append(f"{target} = {self._convolution(call)}")
            self.tensors[target] = Tensor(target, [], [])  # known when its shape is asserted
        elif name == "reinterpret_tensor":
            self.tensors[target] = view = self._view(call)
            self.lines.append(f"{target} = {view.name}")
            self.tensors[target] = Tensor(target, view.shape, view.strides)
        else:
            raise _unknown(statement)

    def _call(self, call: ast.Call, statement: ast.stmt) -> None:
        name = ast.unparse(call.func)
        if name.startswith(_IGNORED):
            return
        if name == "assert_size_stride":
            self._asserted(call)
        elif name.startswith("launch__"):
            self._launch(int(name.split("__")[1].split(".")[0]), call)
        elif name.startswith("extern_kernels.") and name.split(".")[1] in _WITH_OUT:
            self.lines.append(self._product(name.split(".")[1], call))
        else:
            raise _unknown(statement)

    def _asserted(self, call: ast.Call) -> None:
        """The generated code says what an operator's result looks like."""
        name = ast.unparse(call.args[0])
        tensor = self.tensors.get(name)
        if tensor is not None and not tensor.shape:
            self.tensors[name] = Tensor(tensor.name, self._values(call.args[1]), self._values(call.args[2]))
            self._know(self.tensors[name])

    def _allocate(self, target: str, call: ast.Call) -> None:
        shape, strides = self._values(call.args[0]), self._values(call.args[1])
        tensor = Tensor(target, shape, strides)
        options = f"dtype={ast.unparse(call.args[2])}, device={self._device}.device"
        same = self._fitting.same_shape(shape)
        size = f"{same}.shape" if same else self._tuple(shape)
        if tensor.contiguous:
            self.lines.append(f"{target} = torch.empty({size}, {options})")
        else:
            self.lines.append(f"{target} = torch.empty_strided({size}, {self._tuple(strides)}, {options})")
        self.tensors[target] = tensor
        self._know(tensor)

    def _return(self, value: ast.expr) -> None:
        if not isinstance(value, ast.Tuple):
            raise _unknown(ast.Return(value))
        found = [self._operand(element) for element in value.elts]
        self.lines.append(f"return {structured(self.outputs, found)}")

    def _launch(self, number: int, call: ast.Call) -> None:
        near = self.sources.near[0].launches[number]
        true = self.sources.true.launches[number]
        kernel = self.sources.near[0].kernels[near]
        self._same_make(kernel, self.sources.true.kernels[true])
        pointers, sizes = self._arguments(kernel, call)
        if near not in self.kernels:
            merged, holes = self.sources.merged[near]
            name = free_name(readable(near), {known.name for known in self.kernels.values()})
            names = [f"{first_name(pointer)}_ptr" for pointer in pointers]
            self.kernels[near] = rewrite(kernel, merged, holes, name, apart(names))
        rewritten = self.kernels[near]
        values = {size: self._values([node])[0] for size, node in sizes.items()}
        for size, taken in values.items():
            self.lines.append(f"{rewritten.sizes[size]} = {self._fitting.text(taken)}")
        extra = {size: self._fitting.text(taken) for size, taken in rewritten.extra.items()}
        blocks, options = self._configuration(true, rewritten, values)
        named = [f"{name}={text}" for name, text in (extra | blocks | options).items()]
        given = ", ".join([*pointers, *rewritten.sizes.values(), *named])
        self.lines.append(f"{rewritten.name}[{_grid(kernel, rewritten, blocks)}]({given})")

    def _arguments(self, kernel: Kernel, call: ast.Call) -> tuple[list[str], dict[str, ast.expr]]:
        """The tensors and the sizes that a launch passes."""
        names = [argument.arg for argument in kernel.function.args.args][: len(call.args)]
        pointers, sizes = [], {}
        for name, node in zip(names, call.args, strict=True):
            if re.fullmatch(r"[xyz]numel|r\d_numel", name):
                sizes[name] = node
            else:
                pointers.append(self._operand(node))
        return pointers, sizes

    def _configuration(
        self, true: str, rewritten: Rewritten, values: dict[str, Values]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Block sizes, and num_warps and num_stages, as they were chosen on the GPU."""
        chosen = self.sources.configurations.get(true)
        if chosen is None:
            raise Unrewritable(f"it is not known which configuration Inductor chose for {true}")
        blocks = {}
        for block, name in rewritten.blocks.items():
            size = f"{block.removesuffix('BLOCK').lower()}numel"
            if rewritten.fixed.get(block, 1) > 1:
                if any(1 << (int(value) - 1).bit_length() != rewritten.fixed[block] for value in values[size]):
                    raise Unrewritable(f"{block} of {true} is {rewritten.fixed[block]}, which no size explains")
                blocks[name] = f"triton.next_power_of_2({rewritten.sizes[size]})"
            elif block in rewritten.fixed:
                blocks[name] = "1"
            elif block in chosen:
                blocks[name] = str(chosen[block])
            else:
                raise Unrewritable(f"the configuration that was chosen for {true} says nothing of {block}")
        return blocks, {name: str(chosen[name]) for name in ("num_warps", "num_stages") if name in chosen}

    def _same_make(self, near: Kernel, true: Kernel) -> None:
        if near.make != true.make:
            raise Unrewritable(f"Inductor chooses another form of {true.name} at sizes a little below the true ones")

    # Expressions.

    def _product(self, name: str, call: ast.Call) -> str:
        operands = [self._operand(argument) for argument in call.args]
        options = []
        for keyword in call.keywords:
            text = self._operand(keyword.value) if keyword.arg == "out" else ast.unparse(keyword.value)
            if (keyword.arg, text) not in (("alpha", "1"), ("beta", "1")):
                options.append(f"{keyword.arg}={text}")
        return f"torch.{name}({', '.join([*operands, *options])})"

    def _convolution(self, call: ast.Call) -> str:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        bias = next(
            (self._operand(k.value) for k in call.keywords if k.arg == "bias" and given["bias"] != "None"), "None"
        )
        rank = given["stride"].count(",") if given["stride"].endswith(",)") else given["stride"].count(",") + 1
        operands = ", ".join([*(self._operand(argument) for argument in call.args), bias])
        common = f"stride={given['stride']}, padding={given['padding']}"
        rest = f"groups={given['groups']}, dilation={given['dilation']}"
        if given["transposed"] == "True":
            extra = f"output_padding={given['output_padding']}"
            return f"nn.functional.conv_transpose{rank}d({operands}, {common}, {extra}, {rest})"
        return f"nn.functional.conv{rank}d({operands}, {common}, {rest})"

    def _operand(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name) and node.id in self.tensors:
            return self.tensors[node.id].name
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "reinterpret_tensor":
            return self._view(node).name
        raise Unrewritable(f"the generated code passes {ast.unparse(node)}, which is no tensor that is known here")

    def _view(self, call: ast.Call) -> Tensor:
        """`reinterpret_tensor(base, size, strides, offset)` by the plainest name for what it does."""
        base = self.tensors[ast.unparse(call.args[0])]
        shape, strides = self._values(call.args[1]), self._values(call.args[2])
        (offset,) = self._values([call.args[3]]) if len(call.args) > 3 else ((0,) * self._count,)
        whole = base.contiguous and not any(offset)
        if whole and base.shape == shape and base.strides == strides:
            return base
        if whole and len(shape) == 2 and base.shape == shape[::-1] and base.strides == strides[::-1]:
            return Tensor(f"{base.name}.t()", shape, strides)
        if whole and strides == default_strides(shape):
            return Tensor(f"{base.name}.view({self._tuple(shape)})", shape, strides)
        text = ", ".join([base.name, self._tuple(shape), self._tuple(strides), self._fitting.text(offset)])
        return Tensor(f"torch.as_strided({text})", shape, strides)

    def _values(self, node: ast.expr | list[ast.expr]) -> list[Values]:
        elements = node if isinstance(node, list) else node.elts if isinstance(node, ast.Tuple) else [node]
        return [self.sources.holes.of(element, self._count) for element in elements]

    def _tuple(self, values: list[Values]) -> str:
        texts = [self._fitting.text(entry) for entry in values]
        return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"

    def _know(self, tensor: Tensor) -> None:
        self._fitting.add(Shape(tensor.name, tuple(tuple(int(v) for v in sizes) for sizes in tensor.shape)))


def _grid(kernel: Kernel, rewritten: Rewritten, blocks: dict[str, str]) -> str:
    """As Inductor lays out programs: x first. Rows beyond what one axis of a grid can take go on along z."""
    axes = {
        size[0]: f"triton.cdiv({name}, {_block(size, rewritten, blocks)})" for size, name in rewritten.sizes.items()
    }
    along = [axes[axis] for axis in "xyz" if axis in axes]
    if kernel.grid == "Grid2DWithYZOverflow":
        parts = f"triton.cdiv({axes['y']}, 65535)"
        along = [axes["x"], f"triton.cdiv({axes['y']}, {parts})", parts]
    return f"({', '.join(along)}{',' if len(along) == 1 else ''})"


def _block(size: str, rewritten: Rewritten, blocks: dict[str, str]) -> str:
    """The size of the blocks along an axis; 1 where the kernel has none."""
    return blocks.get(rewritten.blocks.get(f"{size[0].upper()}BLOCK", ""), "1")


def _unknown(statement: ast.stmt) -> Unrewritable:
    text = ast.unparse(ast.fix_missing_locations(statement))
    return Unrewritable(f"the generated code does something that is not known here: {text[:200]}")
