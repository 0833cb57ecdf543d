"""Trains, packs and saves in PyTorch, and lets the Swift command line evaluate the file.

Needs BITLINEAR_BINARY, the command line, and Fashion-MNIST where Debian's package puts it.
"""

import contextlib
import gzip
import io
import json
import math
import os
import struct
import subprocess
import tempfile
import unittest
from fractions import Fraction
from pathlib import Path

import fashion_mnist
import torch
import train


class SamePredictions(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.model = self.folder / "packed.safetensors"

    def train(self, *options):
        """The classes that train.py gave the test images, and what it printed."""
        answers = self.folder / "pytorch.txt"
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            train.main(["--epochs", "1", "--samples", "3000", "--out", str(self.model),
                        "--predictions", str(answers), *options])
        return answers.read_text().splitlines(), printed.getvalue()

    def evaluate(self, *options):
        """The classes that Swift gives them, and the accuracy."""
        answers = self.folder / "swift.txt"
        result = subprocess.run(
            [os.environ["BITLINEAR_BINARY"], "eval", str(self.model), "--json",
             "--predictions", str(answers), *options],
            capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return answers.read_text().splitlines(), json.loads(result.stdout)

    def check(self, *options):
        ours, printed = self.train(*options)
        swift, report = self.evaluate()
        self.assertEqual(len(ours), 10_000)
        differing = [index for index, pair in enumerate(zip(ours, swift)) if len(set(pair)) > 1]
        self.assertEqual(differing, [])
        self.assertEqual(len(swift), 10_000)
        self.assertTrue(report["packed"])
        accuracy = report["test_accuracy"]
        # It has learnt something, and PyTorch counted the same.
        self.assertGreater(accuracy, 0.5)
        self.assertIn(f"Packed weights: {accuracy:.2%}", printed)
        return ours

    def test_ternary(self):
        self.check()

    def test_sign_in_groups(self):
        answers = self.check("--recipe", "bitnet", "--groups", "2")
        # One scale for a batch: had batches no influence, the comparison would say less.
        self.assertNotEqual(self.evaluate("--batch-size", "500")[0], answers)

    def test_bad_options(self):
        for options, words in [
            (["--groups", "3"], "3 groups do not divide 512"),
            (["--data", str(self.folder / "none")], "No such file"),
            (["--out", str(self.folder / "none" / "packed.safetensors")], "no such folder"),
        ]:
            with self.assertRaises(SystemExit) as caught:
                self.train(*options)
            self.assertIn(words, str(caught.exception.code))


class Data(unittest.TestCase):
    def test_standardization_rounds_once(self):
        images = torch.tensor([[0, 1, 2], [3, 255, 255]], dtype=torch.uint8)
        values = [Fraction(value) for value in images.flatten().tolist()]
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / len(values)
        found = fashion_mnist.Standardization.of(images)
        self.assertEqual(found.mean, fashion_mnist.float32(float(mean)))
        self.assertEqual(found.deviation, fashion_mnist.float32(math.sqrt(variance)))
        outputs = found(images)
        self.assertEqual(outputs.shape, images.shape)
        for value, output in zip(values, outputs.flatten().tolist()):
            # The difference in float32, then the nearest float32 of the exact quotient.
            difference = Fraction(fashion_mnist.float32(float(value - Fraction(found.mean))))
            quotient = float(difference / Fraction(found.deviation))
            self.assertEqual(output, fashion_mnist.float32(quotient))

    def test_equal_values(self):
        images = torch.full((2, 3), 7, dtype=torch.uint8)
        self.assertEqual(fashion_mnist.Standardization.of(images), (7.0, 1.0))

    def test_damaged_files(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)

            def write(kind, content, compress=gzip.compress):
                path = folder / f"train-{kind}-ubyte.gz"
                path.write_bytes(compress(content))

            images = bytes([0, 0, 8, 3]) + struct.pack(">3I", 1, 2, 2) + bytes(4)
            labels = bytes([0, 0, 8, 1]) + struct.pack(">I", 1) + bytes(1)
            two_labels = bytes([0, 0, 8, 1]) + struct.pack(">I", 2) + bytes(2)
            for image_file, label_file, compress, words in [
                (images[:-1], labels, gzip.compress, "3 bytes of data"),
                (images, two_labels, gzip.compress, "1 train images have 2 labels"),
                (labels, labels, gzip.compress, "not an IDX file"),
                (images, labels, bytes, "gzip"),
                (images, labels, lambda content: gzip.compress(content)[:-9], "ended before"),
            ]:
                write("images-idx3", image_file, compress)
                write("labels-idx1", label_file)
                with self.assertRaisesRegex(ValueError, words):
                    fashion_mnist.load(folder)


if __name__ == "__main__":
    unittest.main()
