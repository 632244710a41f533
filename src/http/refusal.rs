//! What serde says about a body or a query, as this server's own refusals.
//!
//! Serde's errors are texts, so they are told apart by how they begin; the tests below hold them to it.

use crate::kernel::error::{Error, Kind, Text};

/// The refusal of a JSON body; `path` leads to the value at fault.
pub(super) fn of_json(error: &serde_json::Error, path: &str) -> Error {
    let at = || format!("line {}, column {}", error.line(), error.column());
    if !error.is_data() {
        return malformed(format!("The body is not JSON ({}).", at()), format!("본문이 JSON이 아닙니다({}).", at()));
    }
    let message = error.to_string();
    of_fields(&message).or_else(|| of_value(&message, path)).unwrap_or_else(|| {
        let place = if path == "." { at() } else { format!("'{path}', {}", at()) };
        malformed(
            format!("A value has the wrong JSON type ({place})."),
            format!("값의 JSON 형식이 올바르지 않습니다({place})."),
        )
    })
}

/// The refusal of a query or a form, where every value is text.
pub(super) fn of_text(message: &str, path: &str) -> Error {
    of_fields(message).unwrap_or_else(|| not_allowed(path))
}

/// A body that can't be read at all.
pub(super) fn malformed(en: String, ko: String) -> Error {
    Error::new(Kind::Malformed, "malformed_json", Text::made(en, ko))
}

/// A field that is unknown, given twice or missing.
fn of_fields(message: &str) -> Option<Error> {
    let (code, rest, detail) = if let Some(rest) = message.strip_prefix("unknown field `") {
        ("unknown_field", rest, Text::fixed("There is no such field.", "없는 항목입니다."))
    } else if let Some(rest) = message.strip_prefix("duplicate field `") {
        ("duplicate_field", rest, Text::fixed("It is given twice.", "두 번 주어졌습니다."))
    } else if let Some(rest) = message.strip_prefix("missing field `") {
        ("required", rest, Text::fixed("It is required.", "필수 항목입니다."))
    } else {
        return None;
    };
    let field = rest.split('`').next().unwrap_or_default().to_owned();
    Some(Error::invalid_field(field, code, detail))
}

/// A value of the right JSON type that is not allowed: a fraction for a whole number, an unknown word.
fn of_value(message: &str, path: &str) -> Option<Error> {
    let fraction = message.starts_with("invalid type: floating point")
        && (message.contains("expected i") || message.contains("expected u"));
    if fraction {
        let detail = Text::fixed("A whole number, and not so large.", "범위 안의 정수여야 합니다.");
        return Some(Error::invalid_field(path.to_owned(), "out_of_range", detail));
    }
    (message.starts_with("invalid value") || message.starts_with("unknown variant")).then(|| not_allowed(path))
}

fn not_allowed(path: &str) -> Error {
    let detail = Text::fixed("This value is not allowed.", "허용되지 않는 값입니다.");
    Error::invalid_field(path.to_owned(), "not_allowed", detail)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only reading it matters")]
    struct Order {
        id: String,
        count: Option<i64>,
        colour: Option<Colour>,
    }

    fn refused(json: &str) -> (Kind, &'static str, String) {
        let mut reader = serde_json::Deserializer::from_str(json);
        let error = serde_path_to_error::deserialize::<_, Order>(&mut reader).unwrap_err();
        let path = error.path().to_string();
        let error = of_json(error.inner(), &path);
        match error.parts().fields.first() {
            Some(fault) => (error.kind(), fault.code, fault.field.to_string()),
            None => (error.kind(), error.code(), String::new()),
        }
    }

    #[test]
    fn every_fault_of_a_body_has_its_refusal() {
        for (json, kind, code, field) in [
            ("", Kind::Malformed, "malformed_json", ""),
            ("{", Kind::Malformed, "malformed_json", ""),
            ("{'id':1}", Kind::Malformed, "malformed_json", ""),
            ("\"text\"", Kind::Malformed, "malformed_json", ""),
            (r#"{"id":1}"#, Kind::Malformed, "malformed_json", ""),
            (r#"{"id":1.5}"#, Kind::Malformed, "malformed_json", ""),
            (r#"{"id":null}"#, Kind::Malformed, "malformed_json", ""),
            (r#"{"id":"a","count":"3"}"#, Kind::Malformed, "malformed_json", ""),
            (r#"{"id":"a","count":true}"#, Kind::Malformed, "malformed_json", ""),
            (r#"{"id":"a","count":{}}"#, Kind::Malformed, "malformed_json", ""),
            (r#"{"id":"a","count":1.5}"#, Kind::Invalid, "out_of_range", "count"),
            (r#"{"id":"a","count":99999999999999999999}"#, Kind::Invalid, "out_of_range", "count"),
            (r#"{"id":"a","count":9999999999999999999}"#, Kind::Invalid, "not_allowed", "count"),
            (r#"{"id":"a","colour":"blue"}"#, Kind::Invalid, "not_allowed", "colour"),
            (r#"{"id":"a","size":1}"#, Kind::Invalid, "unknown_field", "size"),
            (r#"{"id":"a","id":"b"}"#, Kind::Invalid, "duplicate_field", "id"),
            ("{}", Kind::Invalid, "required", "id"),
        ] {
            assert_eq!(refused(json), (kind, code, field.to_owned()), "{json}");
        }
    }

    #[test]
    fn a_malformed_body_says_where() {
        let error = serde_json::from_str::<Order>("{\n  \"id\": x}").unwrap_err();
        assert!(of_json(&error, ".").parts().detail.en.contains("line 2, column 9"));
    }
}
