//! As much of JSON Schema as the description uses; anything else in it is an error.

use std::collections::BTreeSet;

use serde_json::Value;

/// The schemas of a document.
#[derive(Clone, Copy)]
pub(crate) struct Schemas<'a> {
    document: &'a Value,
}

impl<'a> Schemas<'a> {
    pub(crate) fn of(document: &'a Value) -> Self {
        Self { document }
    }

    /// What a reference leads to; anything else is itself.
    pub(crate) fn follow(&self, value: &'a Value) -> &'a Value {
        let Some(reference) = value["$ref"].as_str() else { return value };
        let place = reference.strip_prefix('#').unwrap();
        self.document.pointer(place).unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    /// Notes where `value` is not as `schema` says, and fields of which it says nothing.
    pub(crate) fn check(
        &self,
        schema: &'a Value,
        value: &Value,
        at: &str,
        mistakes: &mut Vec<String>,
    ) {
        self.part(schema, value, at, mistakes);
        let known = self.fields(schema);
        if let (Some(fields), false) = (value.as_object(), known.is_empty()) {
            for name in fields.keys().filter(|name| !known.contains(name.as_str())) {
                mistakes.push(format!("{at}.{name} is not described"));
            }
        }
    }

    /// Every field that a schema names in itself or in its parts.
    fn fields(&self, schema: &'a Value) -> BTreeSet<&'a str> {
        let schema = self.follow(schema);
        let named = schema["properties"].as_object().into_iter().flatten();
        let mut fields: BTreeSet<_> = named.map(|(name, _)| name.as_str()).collect();
        for parts in ["allOf", "anyOf", "oneOf"] {
            let parts = schema[parts].as_array().into_iter().flatten();
            fields.extend(parts.flat_map(|part| self.fields(part)));
        }
        fields
    }

    fn part(&self, schema: &'a Value, value: &Value, at: &str, mistakes: &mut Vec<String>) {
        for (keyword, says) in schema.as_object().unwrap() {
            let holds = match keyword.as_str() {
                "$ref" => {
                    self.part(self.follow(schema), value, at, mistakes);
                    true
                }
                "type" => match says.as_array() {
                    Some(types) => types.iter().any(|it| is_of_type(value, it)),
                    None => is_of_type(value, says),
                },
                "enum" => says.as_array().unwrap().contains(value),
                "const" => says == value,
                "minimum" => value.as_f64().is_none_or(|it| it >= says.as_f64().unwrap()),
                "minItems" => {
                    value.as_array().is_none_or(|it| it.len() as u64 >= says.as_u64().unwrap())
                }
                "maxItems" => {
                    value.as_array().is_none_or(|it| it.len() as u64 <= says.as_u64().unwrap())
                }
                "required" => says.as_array().unwrap().iter().all(|name| {
                    value.as_object().is_none_or(|it| it.contains_key(name.as_str().unwrap()))
                }),
                "properties" => {
                    for (name, schema) in says.as_object().unwrap() {
                        if let Some(field) = value.get(name) {
                            self.check(schema, field, &format!("{at}.{name}"), mistakes);
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    for (name, field) in value.as_object().into_iter().flatten() {
                        self.check(says, field, &format!("{at}.{name}"), mistakes);
                    }
                    true
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(says, item, &format!("{at}[{index}]"), mistakes);
                    }
                    true
                }
                "allOf" => {
                    let parts = says.as_array().unwrap();
                    parts.iter().for_each(|part| self.part(part, value, at, mistakes));
                    true
                }
                "anyOf" => self.matches(says, value, at) >= 1,
                "oneOf" => self.matches(says, value, at) == 1,
                "description" | "example" | "format" | "propertyNames" | "contentMediaType" => true,
                _ => panic!("{at}: {keyword} is not understood"),
            };
            if !holds {
                mistakes.push(format!("{at}: {keyword} {says}, but it is {value:.200}"));
            }
        }
    }

    fn matches(&self, parts: &'a Value, value: &Value, at: &str) -> usize {
        let matches = |part: &&'a Value| {
            let mut mistakes = Vec::new();
            self.check(part, value, at, &mut mistakes);
            mistakes.is_empty()
        };
        parts.as_array().unwrap().iter().filter(matches).count()
    }
}

fn is_of_type(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        name => panic!("no type {name}"),
    }
}

#[test]
fn a_wrong_answer_is_found() {
    let document = serde_json::json!({ "components": { "schemas": { "Row": {
        "type": "object",
        "required": ["at", "price"],
        "properties": {
            "at": { "type": "integer", "minimum": 0 },
            "price": { "type": ["number", "null"] },
            "levels": { "type": "array", "maxItems": 1, "items": { "enum": ["a"] } }
        }
    } } } });
    let schemas = Schemas::of(&document);
    let schema = serde_json::json!({ "$ref": "#/components/schemas/Row" });
    let schema: &'static Value = Box::leak(Box::new(schema));
    for (value, expected) in [
        (serde_json::json!({ "at": 1, "price": null, "levels": ["a"] }), 0),
        (serde_json::json!({ "at": 1 }), 1),
        (serde_json::json!({ "at": -1, "price": "1" }), 2),
        (serde_json::json!({ "at": 1.5, "price": 1, "more": 1 }), 2),
        (serde_json::json!({ "at": 1, "price": 1, "levels": ["a", "b"] }), 2),
        (serde_json::json!([]), 1),
    ] {
        let mut mistakes = Vec::new();
        schemas.check(schema, &value, "row", &mut mistakes);
        assert_eq!(mistakes.len(), expected, "{value}: {mistakes:?}");
    }
}
