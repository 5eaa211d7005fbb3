//! What the types of answers do not tell about themselves.

use serde_json::{Map, Value, json};

use crate::service::DueState;

/// Completes the schemas that were derived from types.
pub(super) fn complete(schemas: &mut Map<String, Value>) {
    for (name, schema) in schemas.iter_mut() {
        bound_rows(schema);
        // A field without a value is `null` in every answer, and left out of problems and of
        // these only.
        if name != "Problem" {
            require_all(schema, optional(name));
        }
    }
    schemas["MarketContexts"]["properties"]["contexts"]["additionalProperties"] = json!({
        "oneOf": [
            { "$ref": "#/components/schemas/MarketContext" },
            { "$ref": "#/components/schemas/Problem" }
        ]
    });
    let problem = json!({ "oneOf": [
        { "type": "null" }, { "$ref": "#/components/schemas/Problem" }
    ] });
    schemas["ComparedMarket"]["properties"]["problem"] = problem;
    let states = [DueState::Final, DueState::Empty, DueState::Pending].map(DueState::as_str);
    schemas["DueCandle"]["properties"]["state"]["enum"] = states.into();
    // No candles at all are a list of either kind.
    if let Some(candles) = schemas["CandleList"].as_object_mut()
        && let Some(kinds) = candles.remove("oneOf")
    {
        candles.insert("anyOf".to_owned(), kinds);
    }
}

/// The field of a schema that is there only where there is something to say.
fn optional(schema: &str) -> &'static str {
    match schema {
        "Candle" => "empty",
        "CandlesPage" => "last_due",
        "PartAge" => "derived",
        _ => "",
    }
}

fn require_all(schema: &mut Value, optional: &str) {
    if let Some(parts) = schema.get_mut("allOf").and_then(Value::as_array_mut) {
        parts.iter_mut().for_each(|part| require_all(part, optional));
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let names: Vec<_> = properties.keys().filter(|name| *name != optional).cloned().collect();
        schema["required"] = names.into();
    }
}

/// Turns rows of numbers into lists of so many: many tools take types by position (`prefixItems`)
/// for those of an older draft of JSON Schema, and positions alone would allow shorter rows.
fn bound_rows(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(positions) = fields.remove("prefixItems") {
                let length = positions.as_array().map_or(0, Vec::len);
                fields.insert("items".to_owned(), json!({ "type": "number" }));
                fields.insert("minItems".to_owned(), length.into());
                fields.insert("maxItems".to_owned(), length.into());
            }
            fields.values_mut().for_each(bound_rows);
        }
        Value::Array(parts) => parts.iter_mut().for_each(bound_rows),
        _ => {}
    }
}
