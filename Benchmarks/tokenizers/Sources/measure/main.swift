import BitTokenizers
import Foundation

// measure FOLDER TEXT ROUNDS: the least time of each of three things over the rounds, in seconds a
// line: making a tokenizer of the folder's files, encoding the text, decoding its ids. A fourth line
// has a checksum of the ids, to be compared with that of the other side.

let arguments = CommandLine.arguments
guard arguments.count == 4, let rounds = Int(arguments[3]), rounds > 0 else {
  FileHandle.standardError.write(Data("usage: measure FOLDER TEXT ROUNDS\n".utf8))
  exit(64)
}

func leastSeconds(_ body: () throws -> Void) rethrows -> Double {
  var least = Double.infinity
  for _ in 0..<rounds {
    let start = ContinuousClock.now
    try body()
    least = min(least, (ContinuousClock.now - start) / .seconds(1))
  }
  return least
}

do {
  var tokenizer = try Tokenizer(folder: arguments[1])
  let text = [UInt8](try Data(contentsOf: URL(fileURLWithPath: arguments[2])))
  var ids: [Int32] = []
  var decoded = ""
  print(try leastSeconds { tokenizer = try Tokenizer(folder: arguments[1]) })
  print(try leastSeconds { ids = try tokenizer.encode(utf8: text, addSpecialTokens: false) })
  print(leastSeconds { decoded = tokenizer.decode(ids) })
  let sum = ids.reduce(UInt32(0)) { $0 &* 31 &+ UInt32(bitPattern: $1) }
  print("\(ids.count) \(sum) \(decoded.utf8.elementsEqual(text))")
} catch {
  FileHandle.standardError.write(Data("measure: \(error)\n".utf8))
  exit(1)
}
