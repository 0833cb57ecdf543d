"""Tests of the comparison itself: python -m unittest discover Benchmarks/pytorch"""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import cases
import compare
import torch


class Results(unittest.TestCase):
    def test_check(self):
        expected = torch.tensor([3.0, 4.0])
        cases.check("same", expected + 1e-6, expected)
        for wrong in (expected.flip(0), expected * 1.01, expected * torch.nan):
            with self.assertRaises(cases.Wrong):
                cases.check("wrong", wrong, expected)

    def test_both_sides_of_every_kind_agree(self):
        for case in cases.cases(list(cases.KINDS), ["48x96"], [3], [5], [1], streamed=False):
            ours, theirs = case.make()
            self.assertIsNotNone(ours())
            self.assertIsNotNone(theirs())

    def test_one_that_is_wrong_is_not_timed(self):
        with mock.patch.object(cases, "dequantized_weight", lambda weight, recipe: weight):
            with self.assertRaises(cases.Wrong):
                cases.packed("b158", "48x96", 3, False)
        with mock.patch.object(cases, "fake_quantized", lambda x, weight, norm: x @ weight.t()):
            with self.assertRaises(cases.Wrong):
                cases.training(True, "48x96", 5)

    def test_ratio_is_that_of_the_rounds(self):
        result = {"ours": [1.0, 2.0, 100.0], "torch": [3.0, 8.0, 100.0]}
        self.assertEqual(compare.ratio(result), 3)


class Command(unittest.TestCase):
    def test_prints_tables_and_writes_samples(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "samples.json"
            arguments = ["compare.py", "--shapes", "48x96", "--tokens", "2", "--training-tokens",
                         "4", "--threads", "1", "--rounds", "2", "--mode", "hot", "--json",
                         str(path)]
            printed = io.StringIO()
            with mock.patch("sys.argv", arguments), mock.patch.object(compare, "SAMPLE", 1e-4):
                with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
                    compare.main()
            samples = json.loads(path.read_text())
        self.assertEqual([sample["kind"] for sample in samples], list(cases.KINDS))
        self.assertTrue(all(len(sample["ours"]) == len(sample["torch"]) == 2 for sample in samples))
        self.assertEqual(printed.getvalue().count("x96 |") + printed.getvalue().count("| 64x64 |"), len(cases.KINDS))

    def test_refuses_nonsense(self):
        for arguments in (["--shapes", "5x0"], ["--kinds", "none"], ["--threads", "0"]):
            with mock.patch("sys.argv", ["compare.py", *arguments]):
                with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
                    compare.parse_arguments()


if __name__ == "__main__":
    unittest.main()
