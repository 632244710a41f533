//! Checks of what people type: every fault of a request is collected, then told at once.

use std::str::FromStr;

use super::error::{Error, FieldError, Text};

/// Collects the faults of one request.
#[derive(Debug, Default)]
pub struct Check(Vec<FieldError>);

impl Check {
    /// A request without faults so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a fault.
    pub fn fault(&mut self, field: &'static str, code: &'static str, detail: Text) {
        self.0.push(FieldError { field: field.into(), code, detail });
    }

    /// Notes a fault that somebody else found.
    pub fn noted(&mut self, fault: FieldError) {
        self.0.push(fault);
    }

    /// A text of `min` to `max` characters (not bytes), trimmed, without control or direction-override characters. Its lines
    /// end with a line feed, also where a form sent a carriage return before it. What shows nothing at all is blank.
    pub fn text(&mut self, field: &'static str, value: Option<&str>, min: usize, max: usize) -> String {
        let Some(value) = value else {
            if min > 0 {
                self.required(field);
            }
            return String::new();
        };
        let value = value.replace("\r\n", "\n");
        let value = if value.chars().all(shows_nothing) { "" } else { value.trim() };
        let chars = value.chars().count();
        if chars < min {
            if chars == 0 {
                let detail = Text::fixed("It may not be blank.", "비워 둘 수 없습니다.");
                self.fault(field, "blank", detail);
            } else {
                let detail = Text::made(format!("At least {min} characters."), format!("{min}자 이상이어야 합니다."));
                self.fault(field, "too_short", detail);
            }
        } else if chars > max {
            let detail = Text::made(format!("At most {max} characters."), format!("{max}자 이하여야 합니다."));
            self.fault(field, "too_long", detail);
        } else if value.chars().any(is_hidden) {
            let detail = Text::fixed(
                "It holds control or text-direction characters.",
                "제어 문자나 방향 전환 문자를 쓸 수 없습니다.",
            );
            self.fault(field, "bad_character", detail);
        }
        value.to_owned()
    }

    /// The same for a text of one line, such as a name.
    pub fn line(&mut self, field: &'static str, value: Option<&str>, min: usize, max: usize) -> String {
        let faults = self.0.len();
        let value = self.text(field, value, min, max);
        if faults == self.0.len() && value.chars().any(is_kept_out_of_lines) {
            let detail =
                Text::fixed("One line, without tabs and tag characters.", "탭과 태그 문자 없이 한 줄이어야 합니다.");
            self.fault(field, "bad_character", detail);
        }
        value
    }

    /// A whole number from `min` to `max`.
    pub fn number(&mut self, field: &'static str, value: Option<i64>, min: i64, max: i64) -> i64 {
        match value {
            None => self.required(field),
            Some(number) if (min..=max).contains(&number) => return number,
            Some(_) => {
                let detail = Text::made(
                    format!("A whole number from {min} to {max}."),
                    format!("{min}부터 {max}까지의 정수여야 합니다."),
                );
                self.fault(field, "out_of_range", detail);
            }
        }
        min
    }

    /// A text that becomes a `T`; `None` when it is missing or wrong, and then the fault is noted.
    pub fn parse<T: FromStr<Err = &'static str>>(&mut self, field: &'static str, value: Option<&str>) -> Option<T> {
        let Some(value) = value else {
            self.required(field);
            return None;
        };
        match value.parse() {
            Ok(parsed) => Some(parsed),
            Err(allowed) => {
                let detail = Text::made(format!("Allowed: {allowed}."), format!("허용되는 값: {allowed}."));
                self.fault(field, "not_allowed", detail);
                None
            }
        }
    }

    /// Notes that `field` is missing.
    pub fn required(&mut self, field: &'static str) {
        self.fault(field, "required", Text::fixed("It is required.", "필수 항목입니다."));
    }

    /// The end of the checks.
    ///
    /// # Errors
    /// `422 validation_failed` with every fault that was noted.
    pub fn done(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::invalid(self.0)) }
    }
}

/// Control characters but line feed and tab, and the Unicode characters that turn the direction of a text (UTS 39).
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// What ends a line, and the characters that spell words which nobody sees (Unicode's block of tags; the flags of some
/// regions are made of them, and they are not needed in a name).
fn is_kept_out_of_lines(c: char) -> bool {
    matches!(c, '\n' | '\t' | '\u{2028}' | '\u{2029}' | '\u{E0000}'..='\u{E007F}')
}

/// White space and what is invisible.
fn shows_nothing(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

/// Characters without a shape: Unicode's `Default_Ignorable_Code_Point`, the anchors of annotations, and the blank pattern
/// of Braille. Between others they have their use (they join emoji, they choose a variant); alone they are nothing.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_not_bytes() {
        let mut check = Check::new();
        assert_eq!(check.text("name", Some(" 홍길동 "), 1, 3), "홍길동");
        check.done().unwrap();
    }

    #[test]
    fn a_line_ends_with_a_line_feed_whoever_sent_it() {
        let mut check = Check::new();
        assert_eq!(check.text("a", Some("one\r\ntwo\n\r\nthree\r\n"), 1, 14), "one\ntwo\n\nthree");
        check.done().unwrap();
        let mut check = Check::new();
        check.text("a", Some("over\rwritten"), 1, 100);
        assert_eq!(check.done().unwrap_err().parts().fields[0].code, "bad_character");
    }

    #[test]
    fn what_shows_nothing_is_blank() {
        for hidden in [
            '\u{AD}',
            '\u{34F}',
            '\u{115F}',
            '\u{1160}',
            '\u{180E}',
            '\u{200B}',
            '\u{200D}',
            '\u{2060}',
            '\u{2800}',
            '\u{3164}',
            '\u{FE0F}',
            '\u{FEFF}',
            '\u{FFA0}',
            '\u{E0041}',
            '\u{E0100}',
        ] {
            let mut check = Check::new();
            check.text("a", Some(&format!(" {hidden}\u{3000}{hidden}\n")), 1, 100);
            assert_eq!(check.done().unwrap_err().parts().fields[0].code, "blank", "{hidden:?}");
            let mut check = Check::new();
            assert_eq!(check.text("a", Some(&hidden.to_string()), 0, 100), "");
            check.done().unwrap();
        }
        let mut check = Check::new();
        for shown in ["👨\u{200D}👩\u{200D}👧", "❤\u{FE0F}", "क\u{94D}\u{200D}ष", "홍길동", "1"] {
            assert_eq!(check.line("a", Some(shown), 1, 100), shown);
        }
        check.done().unwrap();
    }

    #[test]
    fn a_line_is_one_and_hides_nothing() {
        for bad in
            ["a\nb", "a\r\nb", "a\tb", "a\u{2028}b", "a\u{2029}b", "a\u{85}b", "a\u{E0061}b", "🏴\u{E0067}\u{E007F}"]
        {
            let mut check = Check::new();
            check.line("a", Some(bad), 1, 100);
            let codes: Vec<_> = check.done().unwrap_err().parts().fields.iter().map(|fault| fault.code).collect();
            assert_eq!(codes, ["bad_character"], "{bad:?}");
        }
        let mut check = Check::new();
        assert_eq!(check.line("a", Some(" one line\n"), 1, 100), "one line");
        assert_eq!(check.text("a", Some("🏴\u{E0067}\u{E007F}\nb"), 1, 100), "🏴\u{E0067}\u{E007F}\nb");
        check.done().unwrap();
    }

    #[test]
    fn every_fault_is_told() {
        let mut check = Check::new();
        check.text("a", None, 1, 3);
        check.text("b", Some("   "), 1, 3);
        check.text("c", Some("abcd"), 1, 3);
        check.text("d", Some("a\u{202E}b"), 1, 3);
        check.number("e", Some(0), 1, 3);
        let codes: Vec<_> = check.done().unwrap_err().parts().fields.iter().map(|f| f.code).collect();
        assert_eq!(codes, ["required", "blank", "too_long", "bad_character", "out_of_range"]);
    }
}
