// swift-tools-version: 6.2
import PackageDescription

// What compare.py runs for this package's side.
let package = Package(
  name: "tokenizers",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "swift-bitlinear", path: "../..")],
  targets: [
    .executableTarget(
      name: "measure", dependencies: [.product(name: "BitTokenizers", package: "swift-bitlinear")])
  ],
  swiftLanguageModes: [.v6]
)
