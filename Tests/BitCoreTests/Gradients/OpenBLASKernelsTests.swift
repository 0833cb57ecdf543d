#if !canImport(Accelerate)
  import BitCore
  import Testing

  @testable import BitBLAS

  /// OpenBLAS takes a CPU that is newer than itself for the oldest one; its features say better.
  @Suite struct OpenBLASKernelsTests {
    @Test(
      arguments: [
        ("Prescott", "x86-64 avx2 avx512 avx512vnni", "SkylakeX"),
        ("Prescott", "x86-64 avx2", "Haswell"), ("Unknown", "x86-64 avx2 avxvnni", "Haswell"),
        // An old CPU, and CPUs that OpenBLAS knows.
        ("Prescott", "x86-64", nil), ("Haswell", "x86-64 avx2 avx512", nil),
        ("Zen", "x86-64 avx2", nil), ("SkylakeX", "x86-64 avx2 avx512", nil),
        ("armv8", "arm64 neon dotprod", nil),
      ] as [(String, String, String?)])
    func `features decide`(name: String, features: String, better: String?) {
      #expect(OpenBLASKernels.better(than: name, features: features) == better)
    }

    @Test func `the kernels in use suit this CPU`() {
      let name = OpenBLASKernels.name
      #expect(OpenBLASKernels.better(than: name, features: CPU.features) == nil, "\(name)")
      #expect(FloatMatmul.blasName.hasSuffix(name))
      #expect(OpenBLASKernels.library.hasPrefix("OpenBLAS "))
    }
  }
#endif
