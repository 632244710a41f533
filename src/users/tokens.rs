//! Access tokens and page tokens: signed (JWT, HS256), and checked without asking anybody. Refresh tokens are in `refresh`.

use std::fmt::Write;

use jsonwebtoken::errors::Error as JwtError;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::kernel::actor::{Actor, Role};
use crate::kernel::clock::Timestamp;
use crate::kernel::error::{Error, Kind, Text};
use crate::kernel::ids::{SessionId, UserId};

/// What a token says. Every claim is required, and each is of one JSON type only.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    /// The user.
    sub: String,
    /// What the user might do when the token was made; what counts is what the user may do now.
    role: String,
    /// The session.
    sid: String,
    /// What kind of token it is, so that one kind is never taken for another.
    category: String,
    /// When it ends, in seconds since 1970.
    exp: i64,
}

/// What a token is good for; one kind is never taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Requests of programs, which send it in a header.
    Access,
    /// Pages, whose browser sends it as a cookie.
    Page,
}

impl Use {
    fn word(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Page => "page",
        }
    }
}

/// Signs tokens and checks them.
pub(super) struct Tokens {
    header: Header,
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
}

impl Tokens {
    /// Tokens signed with `secret`.
    pub(super) fn new(secret: &[u8]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "sub"]);
        validation.leeway = 0;
        // The library would read the machine's clock; `verify` compares with the time that it is told.
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self {
            header: Header::new(Algorithm::HS256),
            signing: EncodingKey::from_secret(secret),
            checking: DecodingKey::from_secret(secret),
            validation,
        }
    }

    /// A token for `actor`, which ends when it says.
    ///
    /// # Errors
    /// When signing fails.
    pub(super) fn sign(&self, actor: Actor, to: Use) -> Result<String, Error> {
        let claims = Claims {
            sub: actor.user.to_string(),
            role: actor.role.as_str().to_owned(),
            sid: actor.session.to_string(),
            category: to.word().to_owned(),
            exp: actor.token_ends_at.as_seconds(),
        };
        jsonwebtoken::encode(&self.header, &claims, &self.signing)
            .map_err(|error| Error::internal(format!("signing a token: {error}")))
    }

    /// Who a token speaks for.
    ///
    /// # Errors
    /// `401 token_expired` for a token that was good once, `401 token_invalid` for any other.
    pub(super) fn verify(&self, token: &str, to: Use, now: Timestamp) -> Result<Actor, Error> {
        let read = jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation);
        let claims = read.map_err(|error: JwtError| token_invalid().because(error.to_string()))?.claims;
        let actor = actor_of(&claims, to).ok_or_else(token_invalid)?;
        lives(actor, now)?;
        Ok(actor)
    }
}

/// Whether an actor's token has not ended.
///
/// # Errors
/// `401 token_expired`.
pub(super) fn lives(actor: Actor, now: Timestamp) -> Result<(), Error> {
    if now < actor.token_ends_at {
        return Ok(());
    }
    Err(token_expired())
}

pub(super) fn token_expired() -> Error {
    let detail = Text::fixed("The access token has expired.", "액세스 토큰이 만료되었습니다.");
    Error::new(Kind::Unauthenticated, "token_expired", detail)
}

fn actor_of(claims: &Claims, to: Use) -> Option<Actor> {
    if claims.category != to.word() {
        return None;
    }
    Some(Actor {
        user: UserId(claims.sub.parse().ok()?),
        role: claims.role.parse::<Role>().ok()?,
        session: claims.sid.parse::<SessionId>().ok()?,
        token_ends_at: Timestamp(0).plus_seconds(claims.exp),
    })
}

pub(super) fn token_invalid() -> Error {
    let detail = Text::fixed("The access token is not valid.", "유효하지 않은 액세스 토큰입니다.");
    Error::new(Kind::Unauthenticated, "token_invalid", detail)
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

/// The bytes of a text in hexadecimal; `None` when it is not `N` of them.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != N * 2 {
        return None;
    }
    let digit =
        |index: usize| char::from(text.as_bytes()[index]).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = digit(index * 2)? << 4 | digit(index * 2 + 1)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const NOW: Timestamp = Timestamp(1_000_000_000_000_000);

    fn actor() -> Actor {
        let token_ends_at = NOW.plus_seconds(60);
        Actor { user: UserId(7), role: Role::Admin, session: SessionId::fresh(), token_ends_at }
    }

    fn claims() -> Value {
        json!({
            "sub": "7", "role": "user", "sid": SessionId::fresh().to_string(), "category": "access",
            "exp": NOW.as_seconds() + 60,
        })
    }

    fn signed(algorithm: Algorithm, claims: &Value, secret: &[u8]) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).unwrap()
    }

    fn refusal(token: &str) -> &'static str {
        Tokens::new(SECRET).verify(token, Use::Access, NOW).unwrap_err().code()
    }

    #[test]
    fn a_token_speaks_for_its_user_until_it_ends() {
        let (tokens, actor) = (Tokens::new(SECRET), actor());
        let token = tokens.sign(actor, Use::Access).unwrap();
        assert_eq!(tokens.verify(&token, Use::Access, NOW.plus_seconds(59)).unwrap(), actor);
        assert_eq!(tokens.verify(&token, Use::Access, NOW.plus_seconds(60)).unwrap_err().code(), "token_expired");
    }

    #[test]
    fn a_token_signed_otherwise_is_refused() {
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(refusal(&signed(algorithm, &claims(), SECRET)), "token_invalid", "{algorithm:?}");
        }
        assert_eq!(refusal(&signed(Algorithm::HS256, &claims(), b"another secret")), "token_invalid");
        let good = signed(Algorithm::HS256, &claims(), SECRET);
        let (message, _) = good.rsplit_once('.').unwrap();
        let payload = message.split_once('.').unwrap().1;
        // {"alg":"none","typ":"JWT"}
        let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
        for bad in ["", ".", "..", "a.b.c", "토큰", message, &format!("{message}."), &none] {
            assert_eq!(refusal(bad), "token_invalid", "{bad}");
        }
    }

    #[test]
    fn one_kind_of_token_is_never_taken_for_the_other() {
        let tokens = Tokens::new(SECRET);
        for (made, other) in [(Use::Access, Use::Page), (Use::Page, Use::Access)] {
            let token = tokens.sign(actor(), made).unwrap();
            assert!(tokens.verify(&token, made, NOW).is_ok());
            assert_eq!(tokens.verify(&token, other, NOW).unwrap_err().code(), "token_invalid");
        }
    }

    #[test]
    fn every_claim_is_required_and_typed() {
        let good = signed(Algorithm::HS256, &claims(), SECRET);
        assert!(Tokens::new(SECRET).verify(&good, Use::Access, NOW).is_ok());
        for name in ["sub", "role", "sid", "category", "exp"] {
            let mut missing = claims();
            missing.as_object_mut().unwrap().remove(name);
            assert_eq!(refusal(&signed(Algorithm::HS256, &missing, SECRET)), "token_invalid", "without {name}");
        }
        for (name, value) in [
            ("exp", json!((NOW.as_seconds() + 60).to_string())),
            ("exp", json!(1e30)),
            ("exp", json!(null)),
            ("sub", json!(7)),
            ("sub", json!("ann")),
            ("role", json!("root")),
            ("sid", json!("7")),
            ("category", json!("refresh")),
        ] {
            let mut wrong = claims();
            wrong[name] = value;
            assert_eq!(refusal(&signed(Algorithm::HS256, &wrong, SECRET)), "token_invalid", "{name}: {}", wrong[name]);
        }
        let mut expired = claims();
        expired["exp"] = json!(NOW.as_seconds());
        assert_eq!(refusal(&signed(Algorithm::HS256, &expired, SECRET)), "token_expired");
    }
}
