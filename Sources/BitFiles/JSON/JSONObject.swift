/// The members of a JSON object in their order.
///
/// Keys are compared byte for byte, so that "é" in one and in two code points are two keys. A
/// look-up goes through the members one by one. Objects are equal if they have the same members
/// in the same order.
package struct JSONObject: Sendable, Equatable, RandomAccessCollection,
  ExpressibleByDictionaryLiteral
{
  /// A key with its value.
  package struct Member: Sendable, Equatable {
    /// The key.
    package var key: String
    /// The value.
    package var value: JSONValue

    /// A key with its value.
    package init(key: String, value: JSONValue) {
      self.key = key
      self.value = value
    }

    /// Whether the keys have the same bytes and the values are equal.
    package static func == (a: Member, b: Member) -> Bool {
      ByteKey(a.key) == ByteKey(b.key) && a.value == b.value
    }
  }

  /// The members in order.
  package var members: [Member]

  /// An object of members in order; of members with the same key, look-ups find the last.
  package init(_ members: some Sequence<(String, JSONValue)> = []) {
    self.members = members.map { Member(key: $0.0, value: $0.1) }
  }

  /// An object of members in order.
  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    self.init(elements)
  }

  /// The value of a key (the last one, if there are several), or nil.
  ///
  /// Setting replaces the value, adds a member at the end, or with nil removes all members of
  /// that key.
  package subscript(key: String) -> JSONValue? {
    get { lastIndex(of: key).map { members[$0].value } }
    set {
      guard let newValue else {
        members.removeAll { ByteKey($0.key) == ByteKey(key) }
        return
      }
      if let index = lastIndex(of: key) {
        members[index].value = newValue
      } else {
        members.append(Member(key: key, value: newValue))
      }
    }
  }

  private func lastIndex(of key: String) -> Int? {
    members.lastIndex { ByteKey($0.key) == ByteKey(key) }
  }

  /// The place of the first member.
  package var startIndex: Int { 0 }
  /// The place after the last member.
  package var endIndex: Int { members.count }
  /// The member at a place.
  package subscript(position: Int) -> Member { members[position] }
}
