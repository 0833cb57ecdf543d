"""Tests of the comparison itself: python -m unittest discover Benchmarks/inference"""

import argparse
import itertools
import unittest
from unittest import mock

import numpy as np

import compare
from engines import timing
from engines.layer import STREAM_BYTES, Layers, Unavailable, activations, check, copy_count
from engines.layer import ternary_weights
from results import Results, Row
from table import markdown


class Check(unittest.TestCase):
    def setUp(self):
        self.weights, self.x = ternary_weights(96, 256), activations(3, 256)
        self.layers = Layers(self.weights, 1, 1e-3, lambda x: [])
        self.result = self.x @ self.weights.T

    def test_accepts_the_product(self):
        check(self.result, self.x, self.layers)

    def test_refuses_another(self):
        permuted = self.result[:, ::-1]
        doubled = self.result * np.where(np.arange(96) == 95, 2, 1)
        for wrong in (permuted, doubled, self.result * np.nan, self.result[:2]):
            with self.assertRaises(Unavailable):
                check(wrong, self.x, self.layers)


class Copies(unittest.TestCase):
    def test_streaming_goes_round_more_than_the_caches_hold(self):
        self.assertEqual(copy_count(1 << 20, stream=False), 1)
        self.assertEqual(copy_count(2 * STREAM_BYTES, stream=True), 2)
        self.assertGreater(copy_count(1 << 20, stream=True) << 20, STREAM_BYTES)


class Measure(unittest.TestCase):
    def test_takes_turns_and_gives_the_time_of_a_call(self):
        now, order = [0.0], []

        def call(name: str, seconds: float) -> None:
            order.append(name)
            now[0] += seconds

        with mock.patch.object(timing.time, "perf_counter", lambda: now[0]):
            result = timing.measure([lambda: call("a", 0.004), lambda: call("b", 0.004)])
        self.assertTrue(all(a != b for a, b in itertools.pairwise(order)))
        self.assertAlmostEqual(result.median, 4000)
        self.assertAlmostEqual(result.slowest, 4000)


class Table(unittest.TestCase):
    def setUp(self):
        self.results = Results(
            title={}, ours={"own": "ours own"}, others={"a": "A", "b": "B", "c": "C"})
        self.row = Row("8x16", 1, 2)
        for engine, times in {"own": [10, 20, 10], "a": [30, 40, 50], "b": [35, 90, 90]}.items():
            for round, time in enumerate(times):
                self.results.add(engine, self.row, round, {"microseconds": time})

    def test_ratio_is_the_median_of_those_of_the_rounds(self):
        self.assertEqual(self.results.best_other(self.row), "a")
        self.assertEqual(self.results.ratio("a", "own", self.row), 3)
        self.assertIsNone(self.results.ratio("c", "own", self.row))

    def test_names_what_is_missing(self):
        self.results.add_missing("c", "no such library", self.row)
        self.results.add_missing("b", "too slow", Row("8x16", 512, 2))
        lines = markdown(self.results).splitlines()
        self.assertIn("| 8x16 | 1 | 2 | 10.0 | A | 40.0 | 3.00 |", lines)
        self.assertIn("| 8x16 | 1 | 2 | 40.0 | 90.0 |", lines)
        self.assertIn("- C: no such library", lines)
        self.assertIn("- B (8x16 with 512 tokens on 2 threads): too slow", lines)


class Options(unittest.TestCase):
    def test_engines(self):
        self.assertEqual(compare.engines("ggml-q8_0,openblas,ggml-q8_0"),
                         {"ggml": ["q8_0"], "openblas": ["float32"]})
        for wrong in ("", "ggml-", "gguf", "ggml-float32"):
            with self.assertRaises(argparse.ArgumentTypeError):
                compare.engines(wrong)

    def test_shapes(self):
        self.assertEqual(compare.shapes("8x16,8x16,1x2"), ["8x16", "1x2"])
        for wrong in ("", "8", "8x", "0x4", "8x-4", "8x4x2"):
            with self.assertRaises(argparse.ArgumentTypeError):
                compare.shapes(wrong)


if __name__ == "__main__":
    unittest.main()
