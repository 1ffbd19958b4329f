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
    let json = try JSON(parsing: text)
    var context = Context()
    if case .integer(let size) = json["group_size"] { context.groupSize = size }
    if let range = json["home_price_range"], case .object = range {
      var prices = Context.PriceRange()
      if case .integer(let min) = range["min"] { prices.min = min }
      if case .integer(let max) = range["max"] { prices.max = max }
      context.homePriceRange = prices
    }
    if case .string(let timeline) = json["timeline"] { context.timeline = timeline }
    if case .string(let code) = json["state"] { context.state = StateCode(rawValue: code) }
    if case .string(let need) = json["specific_need"] { context.specificNeed = need }
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
