"""Tries what the wheel brings, as installed; scripts/check-wheel runs this without pytest."""

import json
import struct
import subprocess
import sysconfig
import tempfile
import warnings
from importlib import metadata
from pathlib import Path

warnings.filterwarnings("ignore", message="Failed to initialize NumPy")  # which is not needed

import torch
from torch import nn

import bitlinear_torch
from bitlinear_torch import BitLinear, PackedBitLinear, load_packed, pack_model, save_packed

COMMAND = Path(sysconfig.get_path("scripts")) / "bitlinear"


def run(*arguments: object, status: int = 0) -> str:
    """What the command prints; it must end with a status."""
    result = subprocess.run(
        [str(COMMAND), *map(str, arguments)], capture_output=True, text=True, check=False)
    expect(result.returncode, status, f"status of {arguments}: {result.stderr}")
    return result.stdout


def expect(found: object, expected: object, name: str) -> None:
    """Fails if a value is not as expected. Not assert, which `python -O` leaves out."""
    if found != expected:
        raise SystemExit(f"{name}: found {found!r}, expected {expected!r}")


def write_safetensors(path: Path, name: str, tensor: torch.Tensor) -> None:
    """Writes one float32 matrix, without the package safetensors."""
    values = struct.pack(f"<{tensor.numel()}f", *tensor.flatten().tolist())
    header = json.dumps(
        {name: {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [0, len(values)]}})
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + values)


def check_distribution() -> None:
    version = metadata.version("bitlinear-torch")
    expect(bitlinear_torch.__version__, version, "version of the library")
    expect(run("--version").strip(), version, "version of the command")
    site = Path(sysconfig.get_path("platlib")).resolve()
    expect(site in Path(bitlinear_torch.__file__).resolve().parents, True, f"is it in {site}")
    names = {Path(str(file)).name for file in metadata.files("bitlinear-torch") or []}
    for name in ("py.typed", "LICENSE", "THIRD-PARTY-NOTICES.txt"):
        expect(name in names, True, f"does the wheel have {name}")


def check_layers(folder: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(BitLinear(64, 32, recipe="b158"), nn.ReLU(), BitLinear(32, 8, bias=True))
    x = torch.randn(5, 64, requires_grad=True)
    y = model(x)
    y.square().sum().backward()
    for name, parameter in model.named_parameters():
        expect(bool(parameter.grad.isfinite().all()), True, f"is the gradient of {name} finite")
        expect(bool(parameter.grad.any()), True, f"is there a gradient of {name}")
    weight = model[0].weight.detach().clone()

    pack_model(model)
    expect(torch.equal(model(x), y), True, "are the packed layers' outputs the same bits")
    file = folder / "packed.safetensors"
    save_packed(model, file)
    layers = json.loads(run("inspect", file, "--json"))["packed_layers"]
    expect([layer["name"] for layer in layers], ["0", "2"], "layers that the command lists")

    # A layer that the command makes of a float matrix is the layer that PyTorch packs.
    write_safetensors(folder / "float.safetensors", "0.weight", weight)
    run("quantize", folder / "float.safetensors", "-o", folder / "quantized.safetensors",
        "--recipe", "b158", "--outtype", "bitlinear")
    other = nn.Sequential(BitLinear(64, 32, recipe="b158"))
    load_packed(folder / "quantized.safetensors", other)
    expect(type(other[0]), PackedBitLinear, "type of the loaded layer")
    expect(torch.equal(other(x), model[:1](x)), True, "is the loaded layer's output the same")


def check_command() -> None:
    # The status is the program's own, for wrong usage.
    run("quantize", status=64)
    blas = json.loads(run("cpu", "--json"))["blas"]
    expect(blas.split()[0] in ("OpenBLAS", "Accelerate"), True, f"is {blas} a BLAS")


if __name__ == "__main__":
    check_distribution()
    with tempfile.TemporaryDirectory() as folder:
        check_layers(Path(folder))
    check_command()
    print(f"The wheel of bitlinear_torch {bitlinear_torch.__version__} works as installed.")
