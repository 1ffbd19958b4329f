// swift-tools-version: 6.0
import PackageDescription

let package = Package(
  name: "tomi-referrals",
  products: [
    .executable(name: "tomi-referrals", targets: ["tomi-referrals"])
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "3.12.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.3.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: [
    .systemLibrary(
      name: "CFastCGI", pkgConfig: "fcgi", providers: [.apt(["libfcgi-dev"])]),
    .systemLibrary(
      name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    // What nginx/package says that it builds. No other build knows.
    .target(
      name: "CBuild",
      cSettings: Context.environment["TOMI_BUILD"].map { [.define("TOMI_BUILD", to: "\"\($0)\"")] }),
    .target(name: "CSpawn"),
    .target(name: "POSIX"),
    .target(
      name: "FastCGI",
      dependencies: ["CFastCGI", "POSIX", .product(name: "HTTPTypes", package: "swift-http-types")]),
    .target(name: "SQLite", dependencies: ["CSQLite", "POSIX"]),
    .target(name: "Domain", dependencies: ["JSON"]),
    .target(name: "JSON"),
    .target(
      name: "Schema", path: "schema",
      resources: [
        .embedInCode("0001_initial.sql"), .embedInCode("0002_found_in_use.sql"),
        .embedInCode("0003_operation.sql"), .embedInCode("0004_messages.sql"),
        .embedInCode("0005_pages.sql"),
        .embedInCode("openapi.yaml"), .embedInCode("mail"),
      ]),
    .target(name: "Store", dependencies: ["Domain", "JSON", "Schema", "SQLite"]),
    .target(
      name: "API",
      dependencies: [
        "Domain", "JSON", "POSIX", "Schema", "Store",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "_CryptoExtras", package: "swift-crypto"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Yams", package: "Yams"),
      ]),
    .target(
      name: "Mail",
      dependencies: [
        "CSpawn", "Domain", "JSON", "POSIX", "Schema", "Store",
        .product(name: "Mustache", package: "swift-mustache"),
      ]),
    .executableTarget(
      name: "tomi-referrals",
      dependencies: [
        "API", "CBuild", "Domain", "FastCGI", "JSON", "Mail", "POSIX", "Store",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    .testTarget(name: "DomainTests", dependencies: ["Domain", "JSON"]),
    .testTarget(name: "JSONTests", dependencies: ["JSON"]),
    .testTarget(
      name: "FastCGITests",
      dependencies: [
        "CFastCGI", "FastCGI", "POSIX", .product(name: "HTTPTypes", package: "swift-http-types"),
      ]),
    .target(name: "CFaultVFS", dependencies: ["CSQLite"], path: "Tests/CFaultVFS"),
    .testTarget(name: "SQLiteTests", dependencies: ["CFaultVFS", "CSQLite", "POSIX", "SQLite"]),
    .testTarget(name: "MailTests", dependencies: ["Domain", "JSON", "Mail", "Schema"]),
    .testTarget(
      name: "StoreTests", dependencies: ["CSQLite", "Domain", "JSON", "Schema", "SQLite", "Store"]),
    .testTarget(
      name: "APITests",
      dependencies: [
        "API", "Domain", "JSON", "Mail", "POSIX", "Schema", "Store",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "_CryptoExtras", package: "swift-crypto"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Yams", package: "Yams"),
      ]),
    .testTarget(name: "EndToEnd", dependencies: ["tomi-referrals"]),
  ]
)
