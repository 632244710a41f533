//! What the pages say, in both languages: one file for each, and a text for each blank in both, or it does not compile.
//!
//! `{0}` and `{1}` are blanks that a template fills (`Visit::say`).

mod en;
mod ko;

use crate::http::Language;

/// A group of texts, and a list of them for the tests.
macro_rules! words {
    ($($(#[$doc:meta])* $group:ident { $($text:ident),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(in crate::pages) struct $group { $(pub(in crate::pages) $text: &'static str),* }

        impl $group {
            #[cfg(test)]
            pub(in crate::pages) fn each(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((concat!(stringify!($group), ".", stringify!($text)), self.$text)),*]
            }
        }
    )*};
}

pub(in crate::pages) mod admin;

words! {
    /// What stands around every page.
    Frame {
        shop_name, skip, menu, products, feed, orders, me, sign_in, sign_up, sign_out, light, dark, footer,
        more, first_page,
    }
    /// Spans of time.
    Time { days, hours, minutes, seconds }
    /// Signing up, in and out.
    Account {
        email, password, password_hint, name, name_hint, greeting, greeting_hint, new_here, known_here, was_signed_out,
        code, code_hint, code_sent, send_code,
    }
    /// The products, and a product.
    Shop {
        title, lead, all, reservation, general, none, open, upcoming, closed, sold_out, opens_in, closes_in, left, left_of,
    }
    /// Buying a product.
    Buying {
        stock, available, held, sold, quantity, limit, limit_one, buy, enter, order, hold_hint, sign_in_to_buy,
        all_gone, back_on_sale, is_closed, sold_out, limit_reached, not_open, closed, not_a_reservation, bad_quantity, used_form,
    }
    /// A buyer's orders.
    Orders {
        none, units, timeline, place, sold_out_after, quantity, amount, number, time_to_pay, pay, leave, look_again,
        refund_ask, refund_hint, refund, to_product, too_late, in_progress, state_held, state_completed,
        state_cancelled, state_refunded, being_paid_title, being_paid, held_title, held, completed_title, completed,
        cancelled_title, refunded_title, refunded, abandoned, declined, expired, by_buyer, by_admin, event_held,
        event_bought, event_paid, event_expires, event_refunded,
    }
    /// The newsfeed, posts and comments.
    Feed {
        whose, order, all, following, by_date, by_likes, write, title, content, publish, none, none_followed, like,
        comments, comment, your_comment, sign_in_to_comment, delete,
    }
    /// Somebody's profile.
    People {
        follow, unfollow, posts, followers, following, no_posts,
    }
    /// One's own page.
    Me {
        as_others, profile, image, image_hint, remove_image, save, saved, password, current_password, new_password,
        password_hint, change_password, password_changed, sessions, sessions_hint, sign_out_everywhere, withdraw_ask,
        withdraw_hint, withdraw,
    }
    /// Errors.
    Trouble {
        sign_in_first, not_found, stale, forbidden, busy, internal, refused, to_products, to_page, request,
    }
}

/// All texts of one language.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) frame: Frame,
    pub(super) time: Time,
    pub(super) account: Account,
    pub(super) shop: Shop,
    pub(super) buying: Buying,
    pub(super) orders: Orders,
    pub(super) feed: Feed,
    pub(super) people: People,
    pub(super) me: Me,
    pub(super) trouble: Trouble,
    pub(super) admin: admin::Words,
}

impl Words {
    /// The texts in a language.
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &en::WORDS,
            Language::Korean => &ko::WORDS,
        }
    }

    #[cfg(test)]
    fn each(&self) -> Vec<(&'static str, &'static str)> {
        [
            self.frame.each(),
            self.time.each(),
            self.account.each(),
            self.shop.each(),
            self.buying.each(),
            self.orders.each(),
            self.feed.each(),
            self.people.each(),
            self.me.each(),
            self.trouble.each(),
            self.admin.each(),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_language_lacks_a_text_or_a_blank() {
        let (english, korean) = (en::WORDS.each(), ko::WORDS.each());
        assert!(english.len() > 20 && english.len() == korean.len());
        for ((name, en), (_, ko)) in english.into_iter().zip(korean) {
            assert!(!en.trim().is_empty() && !ko.trim().is_empty(), "{name} is empty");
            for blank in ["{0}", "{1}", "{2}"] {
                assert_eq!(en.contains(blank), ko.contains(blank), "{name}: {blank}");
            }
        }
    }

    #[test]
    fn each_text_is_in_its_language() {
        let is_korean = |text: &str| text.chars().any(|c| ('가'..='힣').contains(&c));
        for (name, text) in en::WORDS.each() {
            assert!(!is_korean(text), "{name}: {text}");
        }
        for (name, text) in ko::WORDS.each() {
            // A name and a sign are the same everywhere.
            let is_sign = !text.chars().any(char::is_alphabetic);
            assert!(is_korean(text) || is_sign || name == "Frame.shop_name", "{name}: {text}");
        }
    }
}
