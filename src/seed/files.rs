//! The seed files: `products.toml` and `users.toml`.

use std::collections::BTreeSet;
use std::path::Path;

use super::reader::{Entry, SeedError, read_entries, text_of};
use super::{SeedProduct, SeedUser};
use crate::kernel::actor::Role;
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{PRODUCT_ID_CHARS_MAX, ProductId};
use crate::kernel::limits::{HOLD_SECONDS_DEFAULT, HOLD_SECONDS_MAX, STOCK_MAX};
use crate::kernel::money::{Currency, PRICE_MAX};

const PRODUCTS: &str = include_str!("../../data/seed/products.toml");
const USERS: &str = include_str!("../../data/seed/users.toml");

/// The content of the seed files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedFiles {
    /// From `products.toml`.
    pub products: Vec<SeedProduct>,
    /// From `users.toml`.
    pub users: Vec<SeedUser>,
}

/// The files that ship with the program.
///
/// # Errors
/// Never, as a test shows; the type is that of [`from_folder`].
pub fn embedded() -> Result<SeedFiles, SeedError> {
    read(("products.toml", Some(PRODUCTS)), ("users.toml", Some(USERS)))
}

/// The files of a folder; one that is missing counts as empty, but not both.
///
/// # Errors
/// Every fault of both files, or why they can't be read.
pub fn from_folder(folder: &Path) -> Result<SeedFiles, SeedError> {
    if !folder.is_dir() {
        return Err(SeedError(vec![format!("there is no folder {}", folder.display())]));
    }
    let products = folder.join("products.toml");
    let users = folder.join("users.toml");
    let (products_text, users_text) = (text_of(&products)?, text_of(&users)?);
    if products_text.is_none() && users_text.is_none() {
        return Err(SeedError(vec![format!("{} has neither products.toml nor users.toml", folder.display())]));
    }
    read(
        (&products.display().to_string(), products_text.as_deref()),
        (&users.display().to_string(), users_text.as_deref()),
    )
}

fn read(products: (&str, Option<&str>), users: (&str, Option<&str>)) -> Result<SeedFiles, SeedError> {
    let mut ids = BTreeSet::new();
    let mut emails = BTreeSet::new();
    let products =
        read_entries(products.0, products.1.unwrap_or_default(), "product", |entry| product(entry, &mut ids));
    let users = read_entries(users.0, users.1.unwrap_or_default(), "user", |entry| user(entry, &mut emails));
    match (products, users) {
        (Ok(products), Ok(users)) => Ok(SeedFiles { products, users }),
        (Err(mut faults), Err(more)) => {
            faults.0.extend(more.0);
            Err(faults)
        }
        (Err(faults), Ok(_)) | (Ok(_), Err(faults)) => Err(faults),
    }
}

fn product(entry: &mut Entry, ids: &mut BTreeSet<String>) -> Option<SeedProduct> {
    let id = entry.text("id", 1, PRODUCT_ID_CHARS_MAX);
    if let Some(id) = &id {
        entry.named(id);
        if let Err(allowed) = id.parse::<ProductId>() {
            entry.fault("id", format!("allowed is {allowed}"));
        }
        if !ids.insert(id.clone()) {
            entry.fault("id", "an entry above has the same");
        }
    }
    let name = entry.text("name", 1, 100);
    let description = entry.text_if_any("description", 0, 2_000).unwrap_or_default();
    let kind = entry.text("type", 1, 20);
    if let Some(kind) = kind.as_deref().filter(|kind| !matches!(*kind, "reservation" | "general")) {
        entry.fault("type", format!("\"{kind}\" is not allowed; allowed is \"reservation\" or \"general\""));
    }
    let price = entry.whole("price", 0, PRICE_MAX);
    let currency = entry.parsed_if_any("currency").unwrap_or(Currency::KRW);
    let stock = entry.whole("stock", 0, STOCK_MAX);
    let (opens_at, closes_at) = window(entry, kind.as_deref());
    let per_buyer_limit = entry.whole_if_any("per_buyer_limit", 1, STOCK_MAX);
    let hold_seconds = entry.whole_if_any("hold_seconds", 1, HOLD_SECONDS_MAX).unwrap_or(HOLD_SECONDS_DEFAULT);
    if !entry.is_sound() {
        return None;
    }
    Some(SeedProduct {
        id: id?.parse().ok()?,
        name: name?,
        description,
        kind: kind?,
        price: price?,
        currency,
        stock: stock?,
        opens_at,
        closes_at,
        per_buyer_limit,
        hold_seconds,
    })
}

/// The sale's window: only a reservation has one, and it opens before it closes.
fn window(entry: &mut Entry, kind: Option<&str>) -> (Option<Timestamp>, Option<Timestamp>) {
    let opens_at: Option<Timestamp> = entry.parsed_if_any("opens_at");
    let closes_at: Option<Timestamp> = entry.parsed_if_any("closes_at");
    if kind == Some("general") && (opens_at.is_some() || closes_at.is_some()) {
        entry.fault("opens_at, closes_at", "a general product has no window");
    }
    if let (Some(opens_at), Some(closes_at)) = (opens_at, closes_at)
        && opens_at >= closes_at
    {
        entry.fault("closes_at", format!("{closes_at} is not after opens_at, {opens_at}"));
    }
    (opens_at, closes_at)
}

fn user(entry: &mut Entry, emails: &mut BTreeSet<String>) -> Option<SeedUser> {
    let email = entry.text("email", 3, 254).map(|email| email.to_lowercase());
    if let Some(email) = &email {
        entry.named(email);
        let looks_right = email
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
        if !looks_right || email.contains(char::is_whitespace) {
            entry.fault("email", "it is not an e-mail address");
        }
        if !emails.insert(email.clone()) {
            entry.fault("email", "an entry above has the same");
        }
    }
    let name = entry.text("name", 1, 50);
    let greeting = entry.text_if_any("greeting", 0, 200).unwrap_or_default();
    let role = entry.parsed_if_any("role").unwrap_or(Role::User);
    let password = entry.text_if_any("password", 8, 128);
    if !entry.is_sound() {
        return None;
    }
    Some(SeedUser { email: email?, name: name?, greeting, role, password })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(products: &str, users: &str) -> Vec<String> {
        read(("p.toml", Some(products)), ("u.toml", Some(users))).unwrap_err().0
    }

    #[test]
    fn the_embedded_files_are_valid() {
        let files = embedded().unwrap();
        let products: Vec<_> =
            files.products.iter().map(|p| (p.id.as_str(), p.name.as_str(), &*p.kind, p.price, p.stock)).collect();
        assert_eq!(
            products,
            [
                ("100", "mac-book", "reservation", 50_000, 10),
                ("110", "iphone", "reservation", 9_000, 10),
                ("120", "water", "general", 2_500, 100),
                ("130", "shoes", "general", 1_000, 200),
                ("140", "apple", "general", 300, 300),
            ]
        );
        let users: Vec<_> = files.users.iter().map(|u| (u.email.as_str(), u.name.as_str(), u.role)).collect();
        assert_eq!(users[0], ("admin@preorder.example", "관리자", Role::Admin));
        assert_eq!(users[1..].iter().map(|user| user.1).collect::<Vec<_>>(), ["홍길동", "둘리", "도너"]);
        assert!(files.users.iter().all(|user| user.password.as_ref().is_some_and(|p| p.starts_with("example-"))));
    }

    #[test]
    fn every_field_is_read() {
        let text = "[[product]]\nid = 'x'\nname = 'X'\ntype = 'reservation'\nprice = 5\ncurrency = 'USD'\nstock = 2\n\
                    opens_at = 2026-12-01T09:00:00+09:00\ncloses_at = '2026-12-02T00:00:00Z'\n\
                    per_buyer_limit = 1\nhold_seconds = 30";
        let files = read(("p.toml", Some(text)), ("u.toml", None)).unwrap();
        let product = &files.products[0];
        assert_eq!(product.opens_at.unwrap().to_string(), "2026-12-01T00:00:00Z");
        assert_eq!(product.closes_at.unwrap().to_string(), "2026-12-02T00:00:00Z");
        assert_eq!((product.currency.as_str(), product.per_buyer_limit, product.hold_seconds), ("USD", Some(1), 30));
    }

    #[test]
    fn faults_name_file_entry_and_field() {
        let products = "[[product]]\nid = '100'\nname = 'A'\ntype = 'auction'\nprice = -1\nstock = '10'\ncolour = 'red'\n\
                        [[product]]\nid = '100'\nname = ''\ntype = 'general'\nprice = 1\n\
                        opens_at = 2026-12-01T09:00:00Z";
        let users = "[[user]]\nemail = 'nobody'\nname = 'N'\nrole = 'king'\npassword = 'short'";
        assert_eq!(
            faults(products, users),
            [
                "p.toml, product 1 (100), type: \"auction\" is not allowed; allowed is \"reservation\" or \"general\"",
                "p.toml, product 1 (100), price: -1 is not allowed; allowed is a whole number from 0 to 1000000000000",
                "p.toml, product 1 (100), stock: \"10\" is not allowed; allowed is a whole number from 0 to 1000000000",
                "p.toml, product 1 (100), colour: there is no such field",
                "p.toml, product 2 (100), id: an entry above has the same",
                "p.toml, product 2 (100), name: it takes 1 to 100 characters",
                "p.toml, product 2 (100), stock: it is missing",
                "p.toml, product 2 (100), opens_at, closes_at: a general product has no window",
                "u.toml, user 1 (nobody), email: it is not an e-mail address",
                "u.toml, user 1 (nobody), role: \"king\" is not allowed; allowed is 'user' or 'admin'",
                "u.toml, user 1 (nobody), password: it takes 8 to 128 characters",
            ]
        );
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_line() {
        assert_eq!(faults("\n\n[[product]\n", "")[0].split(": ").next(), Some("p.toml, line 3"));
        assert_eq!(faults("[product]\n", ""), ["p.toml: entries are written [[product]]"]);
        assert_eq!(faults("[[products]]\n", ""), ["p.toml: unknown key products; entries are written [[product]]"]);
    }

    #[test]
    fn a_folder_replaces_the_embedded_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(from_folder(folder.path()).unwrap_err().to_string().contains("neither"));
        std::fs::write(folder.path().join("users.toml"), "[[user]]\nemail = 'A@B.example'\nname = 'A'").unwrap();
        let files = from_folder(folder.path()).unwrap();
        assert!(files.products.is_empty());
        assert_eq!((files.users[0].email.as_str(), &files.users[0].password), ("a@b.example", &None));
    }
}
