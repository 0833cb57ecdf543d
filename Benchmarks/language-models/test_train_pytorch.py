"""Tests of the training in PyTorch: python -m unittest discover Benchmarks/language-models"""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
import train_pytorch

TINY = ["--hidden", "32", "--layers", "2", "--heads", "4", "--kv-heads", "2", "--intermediate",
        "64", "--vocab-size", "300", "--context", "12", "--batch-size", "2", "--no-compile",
        "--no-keep-memory"]


def options(recipe, *others):
    return train_pytorch.parse_arguments(["--recipe", recipe, *TINY, *others])


def model_and_tokens(settings):
    torch.manual_seed(settings.seed)
    model = train_pytorch.Decoder(settings)
    # Norms of ones would hide one that is in the wrong place.
    for parameter in model.parameters():
        if parameter.dim() == 1:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return model, next(train_pytorch.batches(settings))


def plain_loss(parameters, tokens, settings):
    """The loss by the formulas, one head and one quantizer after another, without PyTorch's
    attention, norms or losses."""
    quantized = settings.recipe == "b158"
    length = settings.hidden // settings.heads
    future = torch.ones(settings.context, settings.context).triu(1)
    turns = 10_000.0 ** (-torch.arange(0, length, 2) / length)
    angles = torch.arange(settings.context)[:, None] * turns

    def norm(x, name):
        weight = parameters[f"{name}.weight"]
        return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight

    def project(x, name):
        weight = parameters[f"{name}.weight"]
        if quantized:
            scale = 127 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)
            x = x + ((x * scale).round().clamp(-128, 127) / scale - x).detach()
            mean = weight.abs().mean().clamp(min=1e-5)
            weight = weight + ((weight / mean).round().clamp(-1, 1) * mean - weight).detach()
        return x @ weight.T

    def turned(x):
        a, b = x[..., : length // 2], x[..., length // 2 :]
        c, s = angles.cos(), angles.sin()
        return torch.cat([a * c - b * s, b * c + a * s], -1)

    x = parameters["model.embed_tokens.weight"][tokens[:, :-1]]
    for layer in range(settings.layers):
        prefix = f"model.layers.{layer}."
        normed = norm(x, prefix + "input_layernorm")
        q, k, v = (project(normed, f"{prefix}self_attn.{name}_proj") for name in "qkv")
        heads = []
        for head in range(settings.heads):
            own, shared = slice(head * length, (head + 1) * length), head // (
                settings.heads // settings.kv_heads)
            shared = slice(shared * length, (shared + 1) * length)
            scores = turned(q[..., own]) @ turned(k[..., shared]).mT / length**0.5
            weights = (scores - 1e9 * future).softmax(-1)
            heads.append(weights @ v[..., shared])
        merged = torch.cat(heads, -1)
        if settings.family == "bitnet":
            merged = norm(merged, prefix + "self_attn.attn_sub_norm")
        x = x + project(merged, prefix + "self_attn.o_proj")
        normed = norm(x, prefix + "post_attention_layernorm")
        gate = project(normed, prefix + "mlp.gate_proj")
        gate = gate.clamp(min=0) ** 2 if settings.family == "bitnet" else gate * gate.sigmoid()
        gated = gate * project(normed, prefix + "mlp.up_proj")
        if settings.family == "bitnet":
            gated = norm(gated, prefix + "mlp.ffn_sub_norm")
        x = x + project(gated, prefix + "mlp.down_proj")
    head = "model.embed_tokens" if settings.tied else "lm_head"
    logits = norm(x, "model.norm") @ parameters[f"{head}.weight"].T
    right = logits.log_softmax(-1).gather(-1, tokens[:, 1:, None])
    return -right.mean()


class Model(unittest.TestCase):
    def test_loss_and_gradients_are_those_of_the_formulas(self):
        for recipe in ("float", "b158"):
            for family in ("llama", "bitnet"):
                for others in ([], ["--tied"]):
                    with self.subTest(recipe=recipe, family=family, others=others):
                        settings = options(recipe, "--family", family, *others)
                        model, tokens = model_and_tokens(settings)
                        found = train_pytorch.first_step(model, tokens)
                        parameters = {name: value.detach().clone().requires_grad_()
                                      for name, value in model.named_parameters()}
                        loss = plain_loss(parameters, tokens, settings)
                        loss.backward()
                        self.assertAlmostEqual(found["loss"].item(), loss.item(), delta=1e-5)
                        for name, parameter in parameters.items():
                            torch.testing.assert_close(
                                found[name], parameter.grad, rtol=0,
                                atol=1e-4 * parameter.grad.abs().max().item(), msg=name)

    def test_a_ternary_layer_passes_gradients_straight_through(self):
        torch.manual_seed(1)
        layer = train_pytorch.TernaryLinear(8, 4, bias=False)
        x = torch.randn(3, 8, requires_grad=True)
        upstream = torch.randn(3, 4)
        quantized = train_pytorch.QuantizeTokens.apply(x)
        output = layer(quantized)
        output.backward(upstream)
        scale = layer.weight.detach().abs().mean()
        ternary = (layer.weight.detach() / scale).round().clamp(-1, 1) * scale
        self.assertEqual(len(ternary.unique()), 3)
        torch.testing.assert_close(output, F.linear(quantized, ternary))
        torch.testing.assert_close(x.grad, upstream @ ternary)
        torch.testing.assert_close(layer.weight.grad, upstream.T @ quantized)


class Command(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_main(self, recipe, *others):
        arguments = ["train_pytorch.py", "--recipe", recipe, *TINY, "--steps", "2", "--warm-up",
                     "1", *others]
        printed = io.StringIO()
        with mock.patch("sys.argv", arguments), contextlib.redirect_stdout(printed):
            with contextlib.redirect_stderr(io.StringIO()):
                train_pytorch.main()
        return printed.getvalue()

    def test_trains_with_both_recipes(self):
        for recipe in ("float", "b158"):
            result = json.loads(self.run_main(recipe, "--json", "--learning-rate", "0.01"))
            self.assertEqual(len(result["step_seconds"]), 2)
            self.assertGreater(result["tokens_per_second"], 0)
            self.assertGreater(result["peak_memory_mib"], result["peak_memory_above_import_mib"])
            self.assertIn("tokens/s", self.run_main(recipe))

    def test_learns_a_text(self):
        text = self.folder / "text"
        text.write_bytes(b"abc" * 40)
        for recipe in ("float", "b158"):
            result = json.loads(self.run_main(
                recipe, "--json", "--text", str(text), "--learning-rate", "0.02", "--warm-up",
                "40"))
            self.assertLess(result["losses"][-1], 2)

    def test_compares_gradients_with_a_file(self):
        parameters, gradients = self.folder / "parameters", self.folder / "gradients"
        for recipe in ("float", "b158"):
            self.run_main(recipe, "--save-parameters", str(parameters), "--save-gradients",
                          str(gradients))
            # Another seed, but the parameters and tokens of the files.
            check = ["--seed", "5", "--check-gradients", str(gradients)]
            self.run_main(recipe, "--parameters", str(parameters), *check)
            with self.assertRaisesRegex(SystemExit, "gradients differ"):
                self.run_main(recipe, *check)

    def test_refuses_other_files(self):
        short, damaged, parameters = (
            self.folder / name for name in ("short", "damaged", "parameters"))
        short.write_bytes(bytes(12))
        damaged.write_bytes(b"no tensors")
        self.run_main("float", "--family", "bitnet", "--save-parameters", str(parameters))
        for arguments, message in (
            (["--text", str(short)], "found 12 bytes, expected at least 13"),
            (["--text", str(self.folder / "none")], "No such file"),
            (["--text", __file__, "--vocab-size", "100"], "expected less than --vocab-size 100"),
            (["--parameters", str(damaged)], "damaged: "),
            (["--parameters", str(parameters)], "sub_norm.weight is unknown"),
            (["--parameters", str(parameters), "--family", "bitnet", "--vocab-size", "299"],
             r"has the shape \[300, 32\], expected \[299, 32\]"),
            (["--check-gradients", str(parameters)], "no integer tensor tokens"),
        ):
            with self.assertRaisesRegex(SystemExit, message):
                self.run_main("float", *arguments)

    def test_refuses_nonsense(self):
        for arguments in (["--hidden", "30"], ["--kv-heads", "3"], ["--steps", "0"]):
            with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
                options("float", *arguments)


if __name__ == "__main__":
    unittest.main()
