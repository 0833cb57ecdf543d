import BitCore
import BitFormats
import BitNN

/// The packed layers of this project's own files, read as a conversion reads them.
enum PackedLayerDescription {
  /// The packed layers of a file in the order in which they were written.
  static func layers(in file: SafetensorsFile) throws(InputError) -> [CodedLayer] {
    var layers: [CodedLayer] = []
    for (name, tensor) in try PackedLayerSource.tensors(of: file) {
      guard case .codes(let coded) = tensor.content else { continue }
      let scale = try file.info(of: "\(name).weight_scale")
      var (kind, count) = CodedLayer.scales(of: coded)
      if coded.scaleKind == .row {
        count = scale.shape[0]
        if count != coded.rows { kind = "group of rows" }
      }
      layers.append(
        CodedLayer(
          name: name, tensorName: tensor.name, coded: coded, bytes: tensor.byteCount,
          scaleKind: kind, scaleCount: count,
          storedScales: { () throws(InputError) in try file.tensor(scale.name).scalars },
          releasePages: tensor.releasePages))
    }
    return layers
  }
}
