//! What went wrong, told twice: to the reader (in two languages, with a stable code) and to the log.
//!
//! The type knows no HTTP: `http/problem.rs` maps a [`Kind`] to a status, and the command line to an exit code.

use std::borrow::Cow;
use std::fmt;

/// A sentence for the reader, in English and in Korean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// English.
    pub en: Cow<'static, str>,
    /// Korean.
    pub ko: Cow<'static, str>,
}

impl Text {
    /// A sentence without blanks to fill.
    #[must_use]
    pub const fn fixed(en: &'static str, ko: &'static str) -> Self {
        Self { en: Cow::Borrowed(en), ko: Cow::Borrowed(ko) }
    }

    /// A sentence that was put together.
    #[must_use]
    pub fn made(en: impl Into<String>, ko: impl Into<String>) -> Self {
        Self { en: Cow::Owned(en.into()), ko: Cow::Owned(ko.into()) }
    }
}

/// The class of a failure: what the asker can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request can't be read.
    Malformed,
    /// Nobody, or nobody known, is asking.
    Unauthenticated,
    /// A payment was declined.
    Declined,
    /// The asker may not do this, or not now.
    Forbidden,
    /// There is no such thing for the asker.
    NotFound,
    /// It clashes with the present state.
    Conflict,
    /// It was there once.
    Gone,
    /// A value is not allowed.
    Invalid,
    /// The asker asks too often.
    TooMany,
    /// Try again soon.
    Busy,
    /// The fault is ours.
    Internal,
}

/// One field's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name as the client wrote it.
    pub field: Cow<'static, str>,
    /// A stable word: `required`, `too_long`, …
    pub code: &'static str,
    /// What is allowed.
    pub detail: Text,
}

/// A failure with a public and an internal text.
#[derive(Debug, Clone)]
pub struct Error(Box<Parts>);

/// What an [`Error`] is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Its class.
    pub kind: Kind,
    /// A stable word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: Text,
    /// The fields at fault, for [`Kind::Invalid`].
    pub fields: Vec<FieldError>,
    /// More members of the answer, such as `orderId`.
    pub extra: Vec<(&'static str, String)>,
    /// For the log only.
    pub internal: Option<String>,
    /// When to try again, in seconds.
    pub retry_after_s: Option<u32>,
    /// True when this is the first answer to an idempotency key, given again.
    pub replayed: bool,
}

impl Error {
    /// A failure of class `kind` with a stable `code`.
    #[must_use]
    pub fn new(kind: Kind, code: &'static str, detail: Text) -> Self {
        Self(Box::new(Parts {
            kind,
            code,
            detail,
            fields: Vec::new(),
            extra: Vec::new(),
            internal: None,
            retry_after_s: None,
            replayed: false,
        }))
    }

    /// Values that are not allowed, all of them at once.
    #[must_use]
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        let detail = Text::fixed(
            "Some values are not allowed; see 'errors'.",
            "허용되지 않는 값이 있습니다. 'errors'를 확인하세요.",
        );
        let mut error = Self::new(Kind::Invalid, "validation_failed", detail);
        error.0.fields = fields;
        error
    }

    /// One value that is not allowed.
    #[must_use]
    pub fn invalid_field(field: impl Into<Cow<'static, str>>, code: &'static str, detail: Text) -> Self {
        Self::invalid(vec![FieldError { field: field.into(), code, detail }])
    }

    /// A thing that is not there, or not for this asker.
    #[must_use]
    pub fn not_found(code: &'static str, detail: Text) -> Self {
        Self::new(Kind::NotFound, code, detail)
    }

    /// Come back in a moment; nothing was done.
    #[must_use]
    pub fn busy(retry_after_s: u32) -> Self {
        let detail =
            Text::fixed("The server is busy; try again in a moment.", "서버가 붐빕니다. 잠시 후 다시 시도하세요.");
        let mut error = Self::new(Kind::Busy, "busy", detail);
        error.0.retry_after_s = Some(retry_after_s);
        error
    }

    /// A fault of ours. `internal` goes to the log and never to the client.
    #[must_use]
    pub fn internal(internal: impl Into<String>) -> Self {
        let detail = Text::fixed("Something went wrong on our side.", "서버에 문제가 생겼습니다.");
        let mut error = Self::new(Kind::Internal, "internal", detail);
        error.0.internal = Some(internal.into());
        error
    }

    /// The disk is full. Nothing was changed.
    #[must_use]
    pub fn storage_full(internal: impl Into<String>) -> Self {
        let detail = Text::fixed(
            "The server's disk is full; nothing was changed. Free some space and try again.",
            "서버의 디스크가 가득 찼습니다. 변경된 것은 없습니다.",
        );
        Self::new(Kind::Busy, "storage_full", detail).because(internal).retry_after_s(30)
    }

    /// The disk failed: whether this was done shows only after a restart, and nothing more can be written until then.
    #[must_use]
    pub fn storage_failed(internal: impl Into<String>) -> Self {
        let detail = Text::fixed(
            "The server's disk failed; see whether it was done before you try again.",
            "서버의 디스크에 문제가 생겼습니다. 처리되었는지 확인한 뒤 다시 시도하세요.",
        );
        Self::new(Kind::Busy, "storage_failed", detail).because(internal).retry_after_s(60)
    }

    /// Whether it is [`Error::storage_failed`]: trying again in this process is of no use.
    #[must_use]
    pub fn is_storage_failed(&self) -> bool {
        self.0.code == "storage_failed"
    }

    /// Adds a member to the answer.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.extra.push((name, value.to_string()));
        self
    }

    /// Adds a text for the log.
    #[must_use]
    pub fn because(mut self, internal: impl Into<String>) -> Self {
        self.0.internal = Some(internal.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// Marks the answer as one that was given before.
    #[must_use]
    pub fn replayed(mut self, replayed: bool) -> Self {
        self.0.replayed = replayed;
        self
    }

    /// Everything about it.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.0
    }

    /// The stable word.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The class.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }
}

/// English, with the fields at fault: what the command line prints.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.fields.is_empty() {
            f.write_str(&self.0.detail.en)?;
        }
        for (index, fault) in self.0.fields.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", fault.field, fault.detail.en)?;
        }
        if let Some(internal) = self.0.internal.as_ref().filter(|_| self.0.kind == Kind::Internal) {
            write!(f, " ({internal})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
