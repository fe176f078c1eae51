"""The tables behind the rules. A new rule about a name is one row here."""

import sys

OWN = "A candidate is a self-contained module of torch and Triton code."

ALLOWED_MODULES = frozenset(
    {
        "__future__",
        "math",
        "typing",
        "functools",
        "itertools",
        "dataclasses",
        "contextlib",
        "warnings",
        "torch",
        "torch.nn",
        "torch.nn.functional",
        "triton",
        "triton.language",
        "triton.language.math",
        "triton.language.extra",
        "triton.language.extra.libdevice",
        "triton.language.extra.cuda",
        "triton.language.extra.cuda.libdevice",
    }
)

MODULES = ALLOWED_MODULES | {
    "torch.accelerator",
    "torch.amp",
    "torch.autograd",
    "torch.backends",
    "torch.backends.cuda",
    "torch.backends.cuda.matmul",
    "torch.backends.cudnn",
    "torch.cpu",
    "torch.cuda",
    "torch.cuda.amp",
    "torch.cuda.random",
    "torch.fft",
    "torch.func",
    "torch.functional",
    "torch.linalg",
    "torch.nn.attention",
    "torch.nn.init",
    "torch.nn.modules",
    "torch.nn.parameter",
    "torch.nn.utils",
    "torch.random",
    "torch.special",
    "torch.types",
    "torch.version",
    "triton.errors",
    "triton.language.core",
    "triton.language.random",
    "triton.language.standard",
    "triton.runtime",
    "triton.runtime.errors",
}
"""Paths that are modules. A module may stand before a dot and nowhere else, so that it can't be passed around."""

ALLOWED_STDLIB = {
    "functools": frozenset(
        [
            "cache",
            "cached_property",
            "lru_cache",
            "partial",
            "partialmethod",
            "reduce",
            "total_ordering",
            "wraps",
            "cmp_to_key",
        ]
    ),
    "dataclasses": frozenset(
        ["dataclass", "field", "fields", "replace", "asdict", "astuple", "is_dataclass", "KW_ONLY", "MISSING"]
    ),
    "contextlib": frozenset(
        [
            "contextmanager",
            "nullcontext",
            "suppress",
            "ExitStack",
            "closing",
            "ContextDecorator",
            "AbstractContextManager",
        ]
    ),
    "warnings": frozenset(["warn", "catch_warnings", "filterwarnings", "simplefilter", "resetwarnings"]),
}
"""What may be used of modules that also hold ways to run or compile code, or that show other modules."""

NOT_FROM_TYPING = frozenset({"get_type_hints", "ForwardRef", "evaluate_forward_ref"})  # they evaluate text

ALLOWED_TRITON = frozenset(
    [
        "jit",
        "autotune",
        "heuristics",
        "Config",
        "cdiv",
        "next_power_of_2",
        "constexpr_function",
        "language",
        "set_allocator",
        "errors",
        "CompilationError",
        "OutOfResources",
        "TritonError",
        "InterpreterError",
        "runtime",
        "must_use_result",
    ]
)
ALLOWED_TRITON_RUNTIME = frozenset({"errors", "OutOfResources"})

_STDLIB_NAMES_IN_TORCH = frozenset({"math", "chunk", "select", "trace", "random", "signal", "types"})
FOREIGN_MODULES = frozenset(sys.stdlib_module_names) - _STDLIB_NAMES_IN_TORCH | {
    "np",
    "numpy",
    "torch",
    "triton",
    "tl",
    "knobs",
    "ir",
}
"""Modules that can be reached as attributes of allowed ones (torch.os, torch.nn.functional.torch)."""

_PLAIN = "Do the work with public torch functions and Triton kernels."
_TIMED = "The harness decides how the module is run and measured; leave streams, events and graphs to it."
_FLAGS = "Leave global settings as they are: the task sets them, the same for reference and candidate."
_LOAD = "A candidate may not read or write files, or load code."

REFUSED_PATHS: dict[str, str] = {
    "torch.hub": _LOAD,
    "torch.load": _LOAD,
    "torch.save": _LOAD,
    "torch.from_file": _LOAD,
    "torch.serialization": _LOAD,
    "torch.package": _LOAD,
    "torch.storage": _LOAD,
    "torch.UntypedStorage": _LOAD,
    "torch.TypedStorage": _LOAD,
    "torch.classes": _LOAD,
    "torch.ops": "Call the public torch function instead of the operator behind it.",
    "torch.library": _PLAIN,
    "torch.get_device_module": _PLAIN,
    "torch.compile": "Write the kernel in Triton; compiled reference code is what it is compared with.",
    "torch.compiler": _PLAIN,
    "torch.jit": "Write the kernel in Triton, decorated with @triton.jit.",
    "torch.export": _PLAIN,
    "torch.fx": _PLAIN,
    "torch.onnx": _PLAIN,
    "torch.cpp": _PLAIN,
    "torch.utils": _PLAIN,
    "torch.multiprocessing": "A candidate is one process.",
    "torch.distributed": "A candidate is one process.",
    "torch.futures": "A candidate is one process.",
    "torch.nn.parallel": "A candidate is one thread.",
    "torch.nn.DataParallel": "A candidate is one thread.",
    "torch.overrides": _PLAIN,
    "torch.profiler": "The harness measures.",
    "torch.autograd.profiler": "The harness measures.",
    "torch.monitor": "The harness measures.",
    "torch.testing": "Leave test code out.",
    "torch.windows": _PLAIN,
    "torch.nn.modules.module": _PLAIN,
    "torch.Stream": _TIMED,
    "torch.Event": _TIMED,
    "torch.cuda.Stream": _TIMED,
    "torch.cuda.ExternalStream": _TIMED,
    "torch.cuda.Event": _TIMED,
    "torch.cuda.stream": _TIMED,
    "torch.cuda.set_stream": _TIMED,
    "torch.cuda.streams": _TIMED,
    "torch.cuda.StreamContext": _TIMED,
    "torch.cuda.CUDAGraph": _TIMED,
    "torch.cuda.graph": _TIMED,
    "torch.cuda.graphs": _TIMED,
    "torch.cuda.graph_pool_handle": _TIMED,
    "torch.cuda.make_graphed_callables": _TIMED,
    "torch.cuda.green_contexts": _TIMED,
    "torch.cuda.default_stream": _TIMED,
    "torch.cuda.get_stream_from_external": _TIMED,
    "torch.accelerator.set_stream": _TIMED,
    "torch.cuda.profiler": "The harness measures.",
    "torch.cuda.nvtx": "The harness measures.",
    "torch.cuda.memory": _PLAIN,
    "torch.cuda.MemPool": _PLAIN,
    "torch.cuda.use_mem_pool": _PLAIN,
    "torch.cuda.CUDAPluggableAllocator": _LOAD,
    "torch.cuda.change_current_allocator": _LOAD,
    "torch.cuda.caching_allocator_alloc": _PLAIN,
    "torch.cuda.caching_allocator_delete": _PLAIN,
    "torch.cuda.cudart": _PLAIN,
    "torch.cuda.jiterator": "Write the kernel in Triton.",
    "torch.cuda.tunable": _FLAGS,
    "torch.cuda.gds": _LOAD,
    "torch.cuda.nccl": "A candidate is one process.",
    "torch.cuda.set_per_process_memory_fraction": _FLAGS,
    "torch.set_default_dtype": "Give dtype= where a tensor is made.",
    "torch.set_default_device": "Give device= where a tensor is made.",
    "torch.set_default_tensor_type": "Give dtype= where a tensor is made.",
    "torch.set_float32_matmul_precision": _FLAGS,
    "torch.set_flush_denormal": _FLAGS,
    "torch.set_num_threads": _FLAGS,
    "torch.set_num_interop_threads": _FLAGS,
    "torch.use_deterministic_algorithms": _FLAGS,
    "torch.set_deterministic_debug_mode": _FLAGS,
    "torch.set_warn_always": _FLAGS,
    "torch.set_vital": _FLAGS,
    "torch.backends.cudnn.flags": _FLAGS,
    "torch.backends.cudnn.set_flags": _FLAGS,
    "torch.backends.cuda.preferred_linalg_library": _FLAGS,
    "torch.backends.cuda.preferred_blas_library": _FLAGS,
    "torch.backends.cuda.enable_flash_sdp": _FLAGS,
    "torch.backends.cuda.enable_math_sdp": _FLAGS,
    "torch.backends.cuda.enable_mem_efficient_sdp": _FLAGS,
    "triton.language.core.builtins": _PLAIN,
}
"""Refused, with everything below them, and why in terms of what to do instead."""

REFUSED_BUILTINS: dict[str, str] = {
    "open": _LOAD,
    "exec": "Write the code out; text is not run.",
    "eval": "Write the code out; text is not run.",
    "compile": "Write the code out; text is not run.",
    "__import__": "Use an import statement at the top of the module.",
    "input": "There is nobody to answer.",
    "breakpoint": "Leave debugging out.",
    "help": "Leave debugging out.",
    "globals": "Use names directly.",
    "locals": "Use names directly.",
    "vars": "Use names directly.",
    "exit": "Raise an exception that says what is wrong.",
    "quit": "Raise an exception that says what is wrong.",
    "memoryview": _PLAIN,
}

ATTRIBUTE_BUILTINS = frozenset({"getattr", "setattr", "delattr", "hasattr"})
"""Allowed where they are called with a name that can be read in the source, not as values."""

ALLOWED_DUNDER = frozenset({"__init__", "__name__", "__class__", "__version__", "__post_init__"})
"""Double-underscore attributes that may be used on any object."""

ALLOWED_ON_SUPER = ALLOWED_DUNDER | {"__call__", "__enter__", "__exit__", "__repr__", "__setattr__", "__setstate__"}

ALLOWED_DUNDER_NAMES = frozenset({"__name__", "__class__"})

REFUSED_DEFINITIONS = frozenset(
    [
        "__torch_function__",
        "__torch_dispatch__",
        "__getattribute__",
        "__getattr__",
        "__del__",
        "__reduce__",
        "__reduce_ex__",
        "__new__",
        "__init_subclass__",
        "__set_name__",
        "__class_getitem__",
        "__prepare__",
        "__instancecheck__",
        "__subclasscheck__",
    ]
)
"""Methods that would act behind the back of whoever uses the object."""

FRAME_PREFIXES = ("f_", "tb_", "gi_", "cr_", "ag_", "co_", "func_")
FRAME_ATTRIBUTES = frozenset(
    [
        "f_back",
        "f_globals",
        "f_locals",
        "f_builtins",
        "f_code",
        "tb_frame",
        "tb_next",
        "gi_frame",
        "gi_code",
        "cr_frame",
        "cr_code",
        "ag_frame",
        "ag_code",
        "func_globals",
        "co_code",
        "co_consts",
        "mro",
        "obj",  # of an AttributeError: the module that lacked it
    ]
)

REFUSED_METHODS: dict[str, str] = {
    "numpy": "Compute in Triton kernels; torch shapes and copies what is around them.",
    "tofile": _LOAD,
    "from_file": _LOAD,
    "dump": _LOAD,
    "dumps": _LOAD,
    "share_memory_": "A candidate is one process.",
    "untyped_storage": _PLAIN,
    "typed_storage": _PLAIN,
    "storage": _PLAIN,
    "record_stream": _TIMED,
    "set_active": _PLAIN,
}

MODULE_LEVEL_CALLS = (
    "triton.__version__",
    "torch.__version__",
    "torch.version",
    "triton.Config",
    "triton.autotune",
    "triton.cdiv",
    "triton.constexpr_function",
    "triton.heuristics",
    "triton.jit",
    "triton.language.constexpr",
    "triton.next_power_of_2",
    "torch.device",
    "torch.finfo",
    "torch.iinfo",
    "torch.Size",
    "torch.cuda.is_available",
    "torch.cuda.get_device_capability",
    "torch.cuda.get_device_properties",
    "torch.cuda.get_device_name",
    "torch.cuda.device_count",
    "torch.cuda.current_device",
    "math",
    "functools",
    "itertools",
    "dataclasses",
    "typing",
    "warnings",
)
"""What a module may call while it is imported, with everything below; beside builtins and functions of its own."""
