//! English.

use super::{Frame, Time, Trouble, Words};

pub(super) const WORDS: Words = Words {
    frame: Frame {
        shop_name: "preorder",
        skip: "Skip to the content",
        menu: "Main menu",
        products: "Products",
        feed: "Feed",
        orders: "My orders",
        me: "My page",
        sign_in: "Sign in",
        sign_up: "Sign up",
        sign_out: "Sign out",
        light: "Light colours",
        dark: "Dark colours",
        language: "Language",
        footer: "Every unit counted once. Nobody is sold what is not there.",
        earlier: "Earlier",
        later: "Later",
        more: "Next page",
        first_page: "First page",
        required: "required",
        optional: "optional",
        back: "Back",
    },
    time: Time { days: "d", hours: "h", minutes: "m", seconds: "s", days_long: "days" },
    trouble: Trouble {
        sign_in_first: "Please sign in",
        not_found: "There is nothing here",
        stale: "This form is out of date",
        forbidden: "That is not yours to do",
        busy: "One moment, please",
        internal: "Something went wrong on our side",
        refused: "That did not work",
        to_products: "See the products",
        to_page: "Back to the page",
        request: "Request {0}",
    },
};
