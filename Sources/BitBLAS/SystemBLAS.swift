import BitCore

#if canImport(Accelerate)
  import Accelerate
#else
  import COpenBLAS
#endif

extension FloatMatmul {
  /// Products by the system's BLAS: Accelerate on Apple platforms, OpenBLAS elsewhere.
  ///
  /// With OpenBLAS, the rows of the result are split over the threads of ``ThreadPool/shared``, on
  /// whose number its bits do not depend. OpenBLAS itself is set to one thread *for the whole
  /// process*, because two pools of spinning threads on the same cores slow each other down. On a
  /// CPU that is newer than the OpenBLAS at hand, the kernels for the CPU's features are chosen
  /// instead of those for the oldest CPU.
  public static let blas = FloatMatmul(computing: { product in
    #if canImport(Accelerate)
      multiply(0..<product.m, product)
    #else
      _ = openBLASIsReady
      let units = product.isSerial ? 1 : max(1, product.m / unitRows)
      let unitWork = unitRows * product.n * product.k
      let grain = (smallestPart + unitWork - 1) / unitWork
      ThreadPool.shared.parallelFor(units, grain: grain) { range in
        let end = range.upperBound == units ? product.m : range.upperBound * unitRows
        multiply(range.lowerBound * unitRows..<end, product)
      }
    #endif
  })

  // How OpenBLAS rounds depends on the extents that it is given, but not on how rows are split under
  // two conditions (measured with OpenBLAS 0.3.21 for its kernels from Nehalem to SkylakeX and Zen).
  // Its loops take rows in groups whose sizes divide 24, so parts begin with a multiple of that; and
  // products of up to 100^3 multiplications may have other kernels, so no part is so small. Thus
  // results do not depend on the number of threads.
  private static let unitRows = 24
  private static let smallestPart = 1 << 20

  #if !canImport(Accelerate)
    private static let openBLASIsReady: Void = {
      openblas_set_num_threads(1)
      OpenBLASKernels.choice
    }()
  #endif

  private static func multiply(_ rows: Range<Int>, _ product: Product) {
    let (n, a, b) = (product.n, product.a, product.b)
    let first = a.values + rows.lowerBound * (a.isTransposed ? 1 : a.stride)
    cblas_sgemm(
      CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans,
      b.isTransposed ? CblasTrans : CblasNoTrans, Index(rows.count), Index(n), Index(product.k), 1,
      first, Index(a.stride), b.values, Index(b.stride), product.isAdded ? 1 : 0,
      product.c + rows.lowerBound * n, Index(n))
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
