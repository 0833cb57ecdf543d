#if !canImport(Accelerate)
  import BitCore
  import COpenBLAS
  import Glibc

  /// The kernels that OpenBLAS uses on this CPU.
  ///
  /// OpenBLAS knows CPUs by their model numbers. One that is newer than the library gets the kernels
  /// of the oldest CPU there is: OpenBLAS 0.3.21 on an Emerald Rapids multiplies with SSE3 and is
  /// four to six times slower than with AVX-512. What decides what a CPU can run is its features,
  /// so here they do.
  package enum OpenBLASKernels {
    /// The name of the kernels in use, as OpenBLAS calls them, after a better choice was made if
    /// there is one.
    package static var name: String {
      _ = choice
      return String(cString: openblas_get_corename())
    }

    /// The version and build options of the library.
    package static var library: String {
      String(cString: openblas_get_config()).split(separator: " ").prefix(2).joined(separator: " ")
    }

    /// Chooses once, before the first product. The user's own choice, in the environment variable
    /// `OPENBLAS_CORETYPE`, stands.
    static let choice: Void = {
      guard getenv("OPENBLAS_CORETYPE") == nil, openblas_can_choose() != 0 else { return }
      let before = String(cString: openblas_get_corename())
      guard let better = better(than: before, features: CPU.features) else { return }
      choose(better)
      // Kernels that this library has but this CPU or its caches do not suit must not be kept.
      if !multipliesCorrectly() { choose(before) }
    }()

    /// The kernels for a CPU with these features, where those in use were made for CPUs that lack
    /// them; nil if they suit the CPU.
    static func better(than name: String, features: String) -> String? {
      let features = Set(features.split(separator: " "))
      let withoutAVX2: Set = [
        "Katmai", "Coppermine", "Northwood", "Prescott", "Banias", "Atom", "Core2", "Penryn",
        "Dunnington", "Nehalem", "Sandybridge", "Athlon", "Opteron", "Opteron_SSE3", "Barcelona",
        "Nano", "Bobcat", "Bulldozer", "Piledriver", "Steamroller", "Unknown",
      ]
      guard withoutAVX2.contains(name), features.contains("avx2") else { return nil }
      return features.contains("avx512") ? "SkylakeX" : "Haswell"
    }

    private static func choose(_ name: String) {
      setenv("OPENBLAS_CORETYPE", name, 1)
      gotoblas_dynamic_quit()
      gotoblas_dynamic_init()
      unsetenv("OPENBLAS_CORETYPE")
    }

    /// Products of small integers, which are exact in any order, of sizes with and without remainders
    /// for the blocks of a kernel.
    private static func multipliesCorrectly() -> Bool {
      [(1, 1, 1), (7, 13, 5), (64, 48, 96), (130, 257, 515)].allSatisfy { m, n, k in
        let a = (0..<m * k).map { Float($0 % 7 - 3) }
        let b = (0..<k * n).map { Float($0 % 5 - 2) }
        var c = [Float](repeating: .nan, count: m * n)
        cblas_sgemm(
          CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(m), blasint(n), blasint(k), 1, a,
          blasint(k), b, blasint(n), 0, &c, blasint(n))
        return (0..<m).allSatisfy { row in
          (0..<n).allSatisfy { column in
            var sum: Float = 0
            for i in 0..<k { sum += a[row * k + i] * b[i * n + column] }
            return c[row * n + column] == sum
          }
        }
      }
    }
  }
#endif
