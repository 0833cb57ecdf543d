import Testing
@testable import BitCore
@Test func builds() { #expect(Shape([2, 3]).count == 6) }
