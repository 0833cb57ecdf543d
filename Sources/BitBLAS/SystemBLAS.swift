import BitCore

#if canImport(Accelerate)
  import Accelerate
#else
  import COpenBLAS
#endif

extension FloatMatmul {
  /// Products by the system's BLAS: Accelerate on Apple platforms, OpenBLAS elsewhere.
  ///
  /// With OpenBLAS, the rows of the result are split over the threads of ``ThreadPool/shared``, and
  /// OpenBLAS itself is set to one thread *for the whole process*, because two pools of spinning
  /// threads on the same cores slow each other down. On a CPU that is newer than the OpenBLAS at
  /// hand, the kernels for the CPU's features are chosen instead of those for the oldest CPU.
  public static let blas = FloatMatmul { m, n, k, a, b, c in
    #if canImport(Accelerate)
      multiply(0..<m, n, k, a, b, c)
    #else
      _ = openBLASIsReady
      ThreadPool.shared.parallelFor(m, grain: max(4, 1 + 262_144 / (n * k))) { rows in
        multiply(rows, n, k, a, b, c)
      }
    #endif
  }

  #if !canImport(Accelerate)
    private static let openBLASIsReady: Void = {
      openblas_set_num_threads(1)
      OpenBLASKernels.choice
    }()
  #endif

  private static func multiply(
    _ rows: Range<Int>, _ n: Int, _ k: Int, _ a: Operand, _ b: Operand,
    _ c: UnsafeMutablePointer<Float>
  ) {
    let first = a.values + rows.lowerBound * (a.isTransposed ? 1 : a.stride)
    cblas_sgemm(
      CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans,
      b.isTransposed ? CblasTrans : CblasNoTrans, Index(rows.count), Index(n), Index(k), 1, first,
      Index(a.stride), b.values, Index(b.stride), 0, c + rows.lowerBound * n, Index(n))
  }

  #if canImport(Accelerate)
    private typealias Index = Int32
  #else
    private typealias Index = blasint
  #endif
}

extension FloatMatmul {
  /// The name of the BLAS that ``blas`` uses and, where it has several, of its kernels.
  public static var blasName: String {
    #if canImport(Accelerate)
      "Accelerate"
    #else
      "\(OpenBLASKernels.library), \(OpenBLASKernels.name)"
    #endif
  }
}
