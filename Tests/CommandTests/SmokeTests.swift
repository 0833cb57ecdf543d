import Testing
@testable import BitNN
@Test func builds() { #expect(Shape([2, 3]).count == 6) }
