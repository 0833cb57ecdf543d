// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "swift-bitlinear",
  platforms: [.macOS(.v15), .iOS(.v18), .tvOS(.v18), .watchOS(.v11), .visionOS(.v2)],
  products: [
    .library(name: "BitCore", targets: ["BitCore"]),
    .library(name: "BitFormats", targets: ["BitFormats"]),
    .library(name: "BitConversion", targets: ["BitConversion"]),
    .library(name: "BitTokenizers", targets: ["BitTokenizers"]),
    .library(name: "BitLM", targets: ["BitLM"]),
    .library(name: "BitNN", targets: ["BitNN"]),
    .library(name: "BitTraining", targets: ["BitTraining"]),
    // The C interface, for other languages: bitlinear.h.
    .library(name: "BitLinearABI", type: .dynamic, targets: ["BitLinearABI"]),
    .executable(name: "bitlinear", targets: ["bitlinear"]),
  ],
  traits: [
    // Off unless it is asked for: swift build --traits MPI
    .trait(name: "MPI", description: "Training in several processes, on Linux, over Open MPI.")
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")
  ],
  targets: [
    // Integer kernels, chosen at start-up by CPU features.
    .target(name: "CBitKernels"),
    // Tensor, quantizers, packed layers, reverse rules, threads, random numbers.
    .target(name: "BitCore", dependencies: ["CBitKernels"]),
    // JSON and operating-system files; only for this package's own modules.
    .target(name: "BitFiles", dependencies: ["BitCore"]),
    // Tokenizers and chat templates: text to ids and back.
    .target(name: "BitTokenizers", dependencies: ["BitFiles"]),
    // safetensors, GGUF, Hugging Face's packing and this project's own: readers and writers.
    .target(name: "BitFormats", dependencies: ["BitFiles", "BitTokenizers"]),
    // Language models: load, cache, attend, sample, generate.
    .target(name: "BitLM", dependencies: ["BitFormats", "BitTokenizers"]),
    // From one model file to another: conversion, and quantization after training.
    .target(name: "BitConversion", dependencies: ["BitFormats", "BitTokenizers"]),
    // The C interface: its header and the text of the last error; its functions in Swift.
    .target(name: "CBitLinear"),
    .target(name: "BitLinearABI", dependencies: ["BitFormats", "CBitLinear"]),
    // float32 matrix products by the system's BLAS, for training.
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .target(
      name: "BitBLAS",
      dependencies: [
        "BitCore", .target(name: "COpenBLAS", condition: .when(platforms: [.linux])),
      ]),
    // Differentiable layers, losses, optimizers.
    .target(name: "BitNN", dependencies: ["BitFormats", "BitBLAS"]),
    // Data sets (some of them compressed), text for language models, and the training loop.
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    // Messages between the processes of a training.
    .systemLibrary(
      name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .target(
      name: "BitTraining",
      dependencies: [
        "BitNN", "BitTokenizers", "CZlib",
        .target(name: "COpenMPI", condition: .when(platforms: [.linux], traits: ["MPI"])),
      ]),
    // The command line.
    .executableTarget(
      name: "bitlinear",
      dependencies: [
        "BitTraining", "BitConversion", "BitBLAS", "BitLM",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .testTarget(
      name: "BitCoreTests", dependencies: ["BitCore", "BitBLAS"],
      resources: [.copy("Golden")]),
    .testTarget(
      name: "BitFormatsTests", dependencies: ["BitFormats", "BitConversion", "BitTokenizers"],
      resources: [.copy("Golden")]),
    .testTarget(
      name: "BitTokenizersTests", dependencies: ["BitTokenizers"], resources: [.copy("Golden")]),
    // What tests of more than one module use.
    .target(name: "TestSupport", dependencies: ["BitNN"], path: "Tests/TestSupport"),
    .testTarget(
      name: "BitLMTests", dependencies: ["BitLM", "BitConversion", "BitNN", "TestSupport"],
      resources: [.copy("Golden")]),
    .testTarget(
      name: "BitNNTests", dependencies: ["BitNN", "TestSupport"], resources: [.copy("Golden")]),
    .testTarget(name: "BitTrainingTests", dependencies: ["BitTraining", "TestSupport"]),
    // Run by scripts/test-mpi, in several processes.
    .executableTarget(
      name: "MPIChecks", dependencies: ["BitTraining"], path: "Tests/MPIChecks"),
    .testTarget(
      name: "BitLinearABITests", dependencies: ["BitFormats", "BitLinearABI", "CBitLinear"]),
    // The code of the README and of the articles, compiled and run.
    .testTarget(
      name: "DocumentationTests", dependencies: ["BitConversion", "BitLM", "BitTraining"]),
    .testTarget(
      name: "CommandTests", dependencies: ["BitTraining", "BitLM", "bitlinear"],
      resources: [.copy("Golden")]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11
)

// For `swift package generate-documentation`, and not for the users of this package, who would fetch
// it. scripts/build-documentation does without it.
if Context.environment["BITLINEAR_DOCC"] != nil {
  package.dependencies.append(
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.4.0"))
}
