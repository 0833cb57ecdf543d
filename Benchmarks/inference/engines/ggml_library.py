"""The functions of ggml that a product needs, from the shared libraries of llama-cpp-python."""

import ctypes
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int, c_int64, c_size_t, c_void_p
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from engines.layer import Unavailable

MAX_THREADS = 512  # GGML_MAX_N_THREADS


class InitParameters(ctypes.Structure):
    """struct ggml_init_params"""

    _fields_ = [("mem_size", c_size_t), ("mem_buffer", c_void_p), ("no_alloc", c_bool)]


class ThreadPoolParameters(ctypes.Structure):
    """struct ggml_threadpool_params"""

    _fields_ = [
        ("cpumask", c_bool * MAX_THREADS), ("n_threads", c_int), ("prio", c_int),
        ("poll", ctypes.c_uint32), ("strict_cpu", c_bool), ("paused", c_bool),
    ]


class Feature(ctypes.Structure):
    """struct ggml_backend_feature"""

    _fields_ = [("name", c_char_p), ("value", c_char_p)]


# Results and arguments. Pointers to ggml's own structures are void here.
BASE_FUNCTIONS = {
    "ggml_version": (c_char_p,),
    "ggml_type_name": (c_char_p, c_int),
    "ggml_blck_size": (c_int64, c_int),
    "ggml_row_size": (c_size_t, c_int, c_int64),
    "ggml_tensor_overhead": (c_size_t,),
    "ggml_graph_overhead_custom": (c_size_t, c_size_t, c_bool),
    "ggml_init": (c_void_p, InitParameters),
    "ggml_free": (None, c_void_p),
    "ggml_quantize_chunk": (
        c_size_t, c_int, c_void_p, c_void_p, c_int64, c_int64, c_int64, c_void_p),
    "ggml_new_tensor_2d": (c_void_p, c_void_p, c_int, c_int64, c_int64),
    "ggml_mul_mat": (c_void_p, c_void_p, c_void_p, c_void_p),
    "ggml_new_graph_custom": (c_void_p, c_void_p, c_size_t, c_bool),
    "ggml_build_forward_expand": (None, c_void_p, c_void_p),
    "ggml_gallocr_new": (c_void_p, c_void_p),
    "ggml_gallocr_alloc_graph": (c_bool, c_void_p, c_void_p),
    "ggml_gallocr_free": (None, c_void_p),
    "ggml_backend_alloc_ctx_tensors_from_buft": (c_void_p, c_void_p, c_void_p),
    "ggml_backend_buffer_free": (None, c_void_p),
    "ggml_backend_buft_name": (c_char_p, c_void_p),
    "ggml_backend_tensor_set": (None, c_void_p, c_void_p, c_size_t, c_size_t),
    "ggml_backend_tensor_get": (None, c_void_p, c_void_p, c_size_t, c_size_t),
    "ggml_backend_supports_op": (c_bool, c_void_p, c_void_p),
    "ggml_backend_graph_compute": (c_int, c_void_p, c_void_p),
    "ggml_backend_get_device": (c_void_p, c_void_p),
    "ggml_backend_reg_get_proc_address": (c_void_p, c_void_p, c_char_p),
    "ggml_backend_cpu_buffer_type": (c_void_p,),
    "ggml_threadpool_params_default": (ThreadPoolParameters, c_int),
}
CPU_FUNCTIONS = {
    "ggml_backend_cpu_init": (c_void_p,),
    "ggml_backend_cpu_reg": (c_void_p,),
    "ggml_backend_cpu_set_n_threads": (None, c_void_p, c_int),
    "ggml_backend_cpu_set_threadpool": (None, c_void_p, c_void_p),
    "ggml_threadpool_new": (c_void_p, POINTER(ThreadPoolParameters)),
}


class Library:
    """ggml's functions as methods by their own names, with arguments checked by ctypes."""

    def __init__(self):
        spec = find_spec("llama_cpp")
        if spec is None or not spec.submodule_search_locations:
            raise Unavailable("llama-cpp-python is not installed")
        folder = Path(spec.submodule_search_locations[0]) / "lib"
        self._base = self._load(folder, "ggml-base", BASE_FUNCTIONS)
        self._load(folder, "ggml-cpu", CPU_FUNCTIONS)
        self.package = f"llama-cpp-python {version('llama-cpp-python')}"

    def _load(self, folder: Path, name: str, functions: dict[str, tuple]) -> ctypes.CDLL:
        paths = [path for suffix in ("so", "dylib") for path in folder.glob(f"lib{name}.{suffix}")]
        if not paths:
            raise Unavailable(f"llama-cpp-python has no shared library {name}")
        try:
            library = ctypes.CDLL(str(paths[0]), mode=ctypes.RTLD_GLOBAL)
            for function, (result, *arguments) in functions.items():
                symbol = getattr(library, function)
                symbol.restype, symbol.argtypes = result, arguments
                setattr(self, function, symbol)
        except (OSError, AttributeError) as error:
            raise Unavailable(f"llama-cpp-python's {name} does not fit: {error}") from None
        return library

    def type_number(self, name: str) -> int:
        """The ggml_type of a name such as q8_0, by asking, for versions number them anew."""
        for number in range(256):
            found = self.ggml_type_name(number)
            if found is not None and found.decode() == name:
                return number
        raise Unavailable(f"this ggml has no type {name}")

    def dequantize(self, name: str):
        """void function(const void *blocks, float *values, int64_t count) of a type."""
        try:
            function = getattr(self._base, f"dequantize_row_{name}")
        except AttributeError:
            raise Unavailable(f"this ggml has no dequantize_row_{name}") from None
        function.restype, function.argtypes = None, [c_void_p, POINTER(c_float), c_int64]
        return function

    def features(self) -> list[str]:
        """The CPU features that the library was compiled for."""
        listing = self._procedure(b"ggml_backend_get_features", POINTER(Feature), c_void_p)
        if listing is None:
            return []
        names, entries = [], listing(self.ggml_backend_cpu_reg())
        while (entry := entries[len(names)]).name:
            names.append(entry.name.decode())
        return names

    def extra_buffer_types(self, backend: int) -> list[int]:
        """Kinds of memory in which weights are rearranged for faster products."""
        listing = self._procedure(
            b"ggml_backend_dev_get_extra_bufts", POINTER(c_void_p), c_void_p)
        types, found = [], listing and listing(self.ggml_backend_get_device(backend))
        while found and found[len(types)]:
            types.append(found[len(types)])
        return types

    def _procedure(self, name: bytes, *signature):
        """A function that the CPU's registry gives by name, or None."""
        address = self.ggml_backend_reg_get_proc_address(self.ggml_backend_cpu_reg(), name)
        return ctypes.CFUNCTYPE(*signature)(address) if address else None
