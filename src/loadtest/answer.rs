//! What an answer means for the run: a purchase, an orderly no, or an error. Pure.

use std::borrow::Cow;

use serde::Deserialize;

use super::talk::Deed;
use crate::kernel::ids::OrderId;

/// What was asked for, as far as reading the answer depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// A page: the product, the counts.
    Page,
    /// A hold.
    Hold,
    /// A completed order, in one call.
    Purchase,
    /// To pay for a hold.
    Confirm(OrderId),
    /// To leave a hold.
    Leave(OrderId),
    /// A session for a password.
    SignIn,
    /// A session for a refresh token, which somebody else may have used first.
    Refresh,
    /// A page of the newsfeed.
    Feed,
    /// To write something.
    Write(Deed),
    /// To like or follow what has this number.
    Mark(Deed, i64),
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was done, and there is nothing to remember.
    Done,
    /// The buyer has a hold.
    Held(OrderId),
    /// The buyer has bought.
    Completed(OrderId),
    /// The buyer has a session, with this access token.
    SignedIn(String),
    /// What there is to read, and where the page after it begins.
    Feed(Vec<FeedPost>, Option<String>),
    /// It was written, under this number.
    Written(i64),
    /// An orderly no, with its code.
    Refused(String),
    /// To come back later, with the code of why: nothing was done.
    PutOff(String),
    /// A no that this rehearsal should never get, such as 401: nothing was done. The text is its kind.
    Failed(String),
    /// No answer, or one that does not say what became of the request: it may have been carried out.
    Unclear(Cow<'static, str>),
}

/// A post of the newsfeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FeedPost {
    /// Its number.
    pub(super) id: i64,
    /// Who wrote it.
    pub(super) writer: i64,
}

// Only what the verdict needs; serde skips the rest without keeping it.
#[derive(Deserialize)]
struct Order<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    state: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    access_token: String,
}

#[derive(Deserialize)]
struct Numbered {
    id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    items: Vec<Item>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    id: i64,
    writer: Numbered,
}

#[derive(Deserialize)]
struct Problem<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
}

/// Codes of 503 with which a server does not say that nothing was done: it stopped waiting, or its disk failed.
const MAY_BE_DONE: [&str; 2] = ["timeout", "storage_failed"];

/// Reads an answer. A no counts as orderly when the sale itself can say it (402, 403, 409, 410), and as a delay when it
/// asks to come back later (429, 503); a 401, 404 or 422 means that the rehearsal asks wrongly, and is an error.
pub(super) fn read(ask: Ask, status: u16, body: &[u8]) -> Answer {
    if !(200..300).contains(&status) {
        let code = serde_json::from_slice::<Problem<'_>>(body).ok().map(|problem| problem.code);
        return match (status, code) {
            (401, Some(code)) if ask == Ask::Refresh => Answer::Refused(code.into_owned()),
            (503, Some(code)) if MAY_BE_DONE.contains(&&*code) => unclear(format!("{status} {code}")),
            (429 | 503, Some(code)) => Answer::PutOff(code.into_owned()),
            (402 | 403 | 409 | 410, Some(code)) => Answer::Refused(code.into_owned()),
            (400..500, Some(code)) => Answer::Failed(format!("{status} {code}")),
            (400..500, None) => Answer::Failed(format!("{status} without a problem document")),
            (_, Some(code)) => unclear(format!("{status} {code}")),
            (_, None) => unclear(format!("{status} without a problem document")),
        };
    }
    let wanted = match ask {
        Ask::Page | Ask::Leave(_) | Ask::Mark(..) => return Answer::Done,
        Ask::Feed => return feed(status, body),
        Ask::SignIn | Ask::Refresh => {
            let session = serde_json::from_slice::<Session>(body);
            return session
                .map_or_else(|_| unclear(format!("{status} without a token")), |it| Answer::SignedIn(it.access_token));
        }
        Ask::Write(_) => {
            let written = serde_json::from_slice::<Numbered>(body);
            return written.map_or_else(|_| unclear(format!("{status} without a number")), |it| Answer::Written(it.id));
        }
        Ask::Hold => "held",
        Ask::Purchase | Ask::Confirm(_) => "completed",
    };
    let Ok(order) = serde_json::from_slice::<Order<'_>>(body) else {
        return unclear(format!("{status} without an order"));
    };
    let Ok(id) = order.id.parse::<OrderId>() else {
        return unclear(format!("{status} with an order id that is no UUID"));
    };
    match ask {
        _ if order.state != wanted => unclear(format!("{status} with an order in state {}", order.state)),
        Ask::Hold => Answer::Held(id),
        _ => Answer::Completed(id),
    }
}

fn feed(status: u16, body: &[u8]) -> Answer {
    let Ok(Page { items, next_cursor }) = serde_json::from_slice::<Page>(body) else {
        return unclear(format!("{status} without a page of posts"));
    };
    let posts = items.into_iter().map(|Item { id, writer }| FeedPost { id, writer: writer.id });
    Answer::Feed(posts.collect(), next_cursor)
}

fn unclear(kind: String) -> Answer {
    Answer::Unclear(Cow::Owned(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_by_what_was_asked_for() {
        let id = OrderId::fresh();
        let body = format!(r#"{{"id":"{id}","productId":"p","quantity":1,"state":"completed"}}"#);
        assert_eq!(read(Ask::Purchase, 201, body.as_bytes()), Answer::Completed(id));
        assert!(matches!(read(Ask::Hold, 201, body.as_bytes()), Answer::Unclear(_)), "nobody paid yet");
        assert_eq!(read(Ask::Confirm(id), 200, body.as_bytes()), Answer::Completed(id));
        assert_eq!(read(Ask::Leave(id), 200, body.as_bytes()), Answer::Done);
    }

    #[test]
    fn what_people_read_and_write_is_read_by_its_numbers() {
        let page = br#"{"items":[{"id":7,"title":"t","writer":{"id":3,"name":"n"}}],"nextCursor":"posts~7"}"#;
        let posts = vec![FeedPost { id: 7, writer: 3 }];
        assert_eq!(read(Ask::Feed, 200, page), Answer::Feed(posts, Some("posts~7".to_owned())));
        let end = br#"{"items":[],"nextCursor":null}"#;
        assert_eq!(read(Ask::Feed, 200, end), Answer::Feed(Vec::new(), None));
        assert!(matches!(read(Ask::Feed, 200, b"[]"), Answer::Unclear(_)));
        assert_eq!(read(Ask::Write(Deed::Comment), 201, br#"{"id":9,"content":"c"}"#), Answer::Written(9));
        assert!(matches!(read(Ask::Write(Deed::Post), 201, b"{}"), Answer::Unclear(_)));
        assert_eq!(read(Ask::Mark(Deed::Like, 7), 200, br#"{"liked":true}"#), Answer::Done);
    }

    #[test]
    fn a_session_is_read_and_a_used_refresh_token_is_an_orderly_no() {
        let session = br#"{"accessToken":"a.b.c","tokenType":"Bearer"}"#;
        assert_eq!(read(Ask::SignIn, 200, session), Answer::SignedIn("a.b.c".to_owned()));
        assert!(matches!(read(Ask::SignIn, 200, b"{}"), Answer::Unclear(_)));
        let reused = br#"{"code":"refresh_reused"}"#;
        assert_eq!(read(Ask::Refresh, 401, reused), Answer::Refused("refresh_reused".to_owned()));
        assert!(matches!(read(Ask::SignIn, 401, reused), Answer::Failed(_)));
    }

    #[test]
    fn a_no_is_told_from_an_error() {
        let refused = |status, code: &str| read(Ask::Purchase, status, format!(r#"{{"code":"{code}"}}"#).as_bytes());
        assert_eq!(refused(409, "sold_out"), Answer::Refused("sold_out".to_owned()));
        for (status, code) in [(429, "rate_limited"), (503, "busy"), (503, "storage_full")] {
            assert_eq!(refused(status, code), Answer::PutOff(code.to_owned()));
        }
        for code in ["timeout", "storage_failed"] {
            assert_eq!(refused(503, code), Answer::Unclear(format!("503 {code}").into()), "it may have been bought");
        }
        for status in [400, 401, 404, 422] {
            assert!(matches!(refused(status, "x"), Answer::Failed(_)), "{status}");
        }
        assert!(matches!(refused(500, "internal"), Answer::Unclear(_)), "it may have been bought all the same");
        assert!(matches!(read(Ask::Purchase, 409, b"<html>"), Answer::Failed(_)));
        assert!(matches!(read(Ask::Purchase, 201, b"{}"), Answer::Unclear(_)));
        assert!(matches!(read(Ask::Purchase, 201, br#"{"id":"7","state":"completed"}"#), Answer::Unclear(_)));
    }
}
