/// The version of the package: major, minor, patch.
package let packageVersion: StaticString = "0.1.0"
