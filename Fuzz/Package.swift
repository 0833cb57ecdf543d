// swift-tools-version: 6.2
import PackageDescription

// Fuzz targets, one for each reader of files: static libraries with the function that libFuzzer
// calls, for scripts/fuzz to link. (An executable would get a main function from the package
// manager, and libFuzzer brings its own.)
let package = Package(
  name: "Fuzz",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "FuzzSafetensors", type: .static, targets: ["FuzzSafetensors"]),
    .library(name: "FuzzGGUF", type: .static, targets: ["FuzzGGUF"]),
    .library(name: "FuzzTemplate", type: .static, targets: ["FuzzTemplate"]),
    .library(name: "FuzzTokenizer", type: .static, targets: ["FuzzTokenizer"]),
    .library(name: "FuzzModel", type: .static, targets: ["FuzzModel"]),
  ],
  dependencies: [.package(name: "swift-bitlinear", path: "..")],
  targets: [
    .target(
      name: "FuzzSafetensors",
      dependencies: [.product(name: "BitFormats", package: "swift-bitlinear")]),
    .target(
      name: "FuzzGGUF",
      dependencies: [.product(name: "BitFormats", package: "swift-bitlinear")]),
    .target(
      name: "FuzzTemplate",
      dependencies: [.product(name: "BitTokenizers", package: "swift-bitlinear")]),
    .target(
      name: "FuzzTokenizer",
      dependencies: [.product(name: "BitTokenizers", package: "swift-bitlinear")]),
    .target(
      name: "FuzzModel",
      dependencies: [.product(name: "BitLM", package: "swift-bitlinear")]),
  ],
  swiftLanguageModes: [.v6]
)
