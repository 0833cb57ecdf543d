import Testing
@testable import BitFormats
@Test func builds() { #expect(Shape([2, 3]).count == 6) }
