import Testing

/// The executable behind a real nginx, as its callers and its keepers meet it.
@Suite("End to end")
struct EndToEnd {}
