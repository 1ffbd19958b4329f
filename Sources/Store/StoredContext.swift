import Domain
import JSON

/// A request's context as the database keeps it: a JSON object with all five fields.
enum StoredContext {
  static func encode(_ context: Context) -> String {
    var json = JSONWriter(capacity: 256)
    json.context(context)
    return json.text
  }

  static func decode(_ text: UnsafeBufferPointer<UInt8>) throws -> Context {
    var context = Context()
    try JSON.members(of: text) { name, value in
      switch (name, value) {
      case ("group_size", .integer(let size)): context.groupSize = size
      case ("home_price_range", .object):
        var prices = Context.PriceRange()
        if case .integer(let min) = value["min"] { prices.min = min }
        if case .integer(let max) = value["max"] { prices.max = max }
        context.homePriceRange = prices
      case ("timeline", .string(let timeline)): context.timeline = timeline
      case ("state", .string(let code)): context.state = StateCode(rawValue: code)
      case ("specific_need", .string(let need)): context.specificNeed = need
      default: break
      }
    }
    return context
  }
}

extension JSONWriter {
  /// A context, as the database keeps it and as callers see it.
  package mutating func context(_ context: Context) {
    object {
      $0.field("group_size", context.groupSize)
      $0.name("home_price_range")
      if let range = context.homePriceRange {
        $0.object {
          $0.field("min", range.min)
          $0.field("max", range.max)
        }
      } else {
        $0.null()
      }
      $0.field("timeline", context.timeline)
      $0.field("state", context.state?.rawValue)
      $0.field("specific_need", context.specificNeed)
    }
  }
}
