//! Users and products made from a seed: the same seed gives the same ones, for ever and on every machine.

use super::draw::Draw;
use super::{SeedProduct, SeedUser};
use crate::kernel::actor::Role;
use crate::kernel::ids::ProductId;
use crate::kernel::limits::HOLD_SECONDS_DEFAULT;
use crate::kernel::money::Currency;

const FAMILY_NAMES: [&str; 12] = ["김", "이", "박", "최", "정", "강", "조", "윤", "장", "임", "한", "오"];
const GIVEN_NAMES: [&str; 16] = [
    "민준", "서연", "도윤", "지우", "하준", "서현", "은우", "하은", "시우", "지민", "예준", "수아", "유준", "지아",
    "건우", "다은",
];
const FIRST_NAMES: [&str; 16] = [
    "Ada", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Iris", "Jack", "Kate", "Leo", "Mia", "Noah",
    "Olive", "Paul",
];
const LAST_NAMES: [&str; 12] =
    ["Adams", "Baker", "Clark", "Davis", "Evans", "Fisher", "Green", "Hughes", "Irwin", "Jones", "King", "Lewis"];
const GREETINGS: [&str; 6] = [
    "안녕하세요!",
    "잘 부탁드립니다.",
    "한정판을 기다립니다.",
    "Hello!",
    "Here for the next drop.",
    "Nice to meet you.",
];
const ADJECTIVES: [&str; 10] =
    ["amber", "bright", "calm", "daring", "early", "fine", "golden", "hidden", "ivory", "jolly"];
const THINGS: [(&str, &str); 10] = [
    ("backpack", "배낭"),
    ("camera", "카메라"),
    ("desk lamp", "스탠드"),
    ("guitar", "기타"),
    ("headphones", "헤드폰"),
    ("jacket", "재킷"),
    ("keyboard", "키보드"),
    ("notebook", "공책"),
    ("teapot", "찻주전자"),
    ("watch", "시계"),
];

/// Prices are multiples of this, in won.
const PRICE_STEP: u64 = 100;
/// The highest generated price is this many steps.
const PRICE_STEPS: u64 = 1_000;

/// What a generated buyer's address begins and ends with; a number is in between.
const ADDRESS: (&str, &str) = ("buyer", "@preorder.example");

/// Whether an address is one of a generated buyer.
#[must_use]
pub fn is_generated(email: &str) -> bool {
    let number = email.strip_prefix(ADDRESS.0).and_then(|rest| rest.strip_suffix(ADDRESS.1));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `count` buyers: `buyer000001@preorder.example` and so on. None of them has a password.
///
/// The user at a place does not depend on `count`, so asking for more later adds to the same ones.
pub fn users(seed: u64, count: u32) -> impl Iterator<Item = SeedUser> {
    (1..=count).map(move |number| {
        let mut draw = Draw::new(seed, "user", number.into());
        let name = if draw.below(2) == 0 {
            format!("{}{}", draw.pick(&FAMILY_NAMES), draw.pick(&GIVEN_NAMES))
        } else {
            format!("{} {}", draw.pick(&FIRST_NAMES), draw.pick(&LAST_NAMES))
        };
        SeedUser {
            email: format!("{}{number:06}{}", ADDRESS.0, ADDRESS.1),
            name,
            greeting: (*draw.pick(&GREETINGS)).to_owned(),
            role: Role::User,
            password: None,
        }
    })
}

/// `count` products: `p0001` and so on, one in four by reservation, all on sale without a window.
///
/// The product at a place does not depend on `count`.
pub fn products(seed: u64, count: u32) -> impl Iterator<Item = SeedProduct> {
    (1..=count).map(move |number| {
        let mut draw = Draw::new(seed, "product", number.into());
        let (thing, korean) = draw.pick(&THINGS);
        let adjective = draw.pick(&ADJECTIVES);
        let reservation = draw.below(4) == 0;
        let stock = if reservation { 10 + draw.below(91) } else { 100 + draw.below(901) };
        SeedProduct {
            id: ProductId::trusted(&format!("p{number:04}")),
            name: format!("{adjective} {thing}"),
            description: format!("{korean} / A {adjective} {thing}."),
            kind: if reservation { "reservation" } else { "general" }.to_owned(),
            price: signed(PRICE_STEP * (1 + draw.below(PRICE_STEPS))),
            currency: Currency::KRW,
            stock: signed(stock),
            opens_at: None,
            closes_at: None,
            per_buyer_limit: reservation.then(|| signed(1 + draw.below(3))),
            hold_seconds: HOLD_SECONDS_DEFAULT,
        }
    })
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).expect("generated numbers are small")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_and_a_longer_list_starts_alike() {
        let few: Vec<_> = users(7, 10).collect();
        assert_eq!(few, users(7, 1_000).take(10).collect::<Vec<_>>());
        assert_ne!(few, users(8, 10).collect::<Vec<_>>());
        assert_eq!(products(7, 5).collect::<Vec<_>>(), products(7, 50).take(5).collect::<Vec<_>>());
    }

    #[test]
    fn users_are_distinct_and_of_both_languages() {
        let users: Vec<_> = users(1, 1_000).collect();
        let emails: HashSet<_> = users.iter().map(|user| &user.email).collect();
        assert_eq!(emails.len(), 1_000);
        assert_eq!(users[0].email, "buyer000001@preorder.example");
        assert!(users.iter().all(|user| is_generated(&user.email)));
        assert!(!is_generated("buyer@preorder.example") && !is_generated("ann@preorder.example"));
        let english = users.iter().filter(|user| user.name.is_ascii()).count();
        assert!((300..700).contains(&english), "{english}");
        assert!(users.iter().all(|user| user.role == Role::User && user.password.is_none()));
    }

    #[test]
    fn products_are_valid_and_of_both_kinds() {
        let products: Vec<_> = products(1, 400).collect();
        for product in &products {
            assert!(product.id.as_str().parse::<ProductId>().is_ok());
            assert!(product.price > 0 && product.price % 100 == 0 && product.stock >= 10, "{product:?}");
        }
        let reservations = products.iter().filter(|product| product.kind == "reservation").count();
        assert!((50..150).contains(&reservations), "{reservations}");
    }
}
