//! What a buyer can do at one time.

/// One step of a journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reads the product.
    Look,
    /// Reads the live counts.
    Stock,
    /// Buys in one call.
    Buy,
    /// Buys in one call, and comes back when asked to.
    BuyRetry,
    /// Enters payment and pays.
    EnterConfirm,
    /// Enters payment and is never seen again.
    EnterVanish,
    /// Enters payment and leaves in an orderly way.
    EnterCancel,
    /// Buys twice at the same moment under one idempotency key.
    DoubleClick,
    /// Buys twice at the same moment under two idempotency keys.
    DoubleClickTwoKeys,
    /// Signs in with a password, and leaves when that does not work.
    SignIn,
    /// Signs in with a password, and comes back when asked to.
    SignInRetry,
    /// Uses one refresh token many times at the same moment, and signs in anew.
    RefreshStorm,
    /// Reads a page of the newsfeed; the page after it when the last step was the same.
    Browse,
    /// Reads a post of the last page, and its comments.
    Read,
    /// Writes a post.
    Post,
    /// Likes a post of the last page.
    Like,
    /// Comments on a post of the last page.
    Comment,
    /// Follows the writer of a post of the last page.
    Follow,
}

impl Step {
    /// Every step by the name that scenarios use.
    pub const NAMES: [(&str, Self); 18] = [
        ("look", Self::Look),
        ("stock", Self::Stock),
        ("buy", Self::Buy),
        ("buy-retry", Self::BuyRetry),
        ("enter-confirm", Self::EnterConfirm),
        ("enter-vanish", Self::EnterVanish),
        ("enter-cancel", Self::EnterCancel),
        ("double-click", Self::DoubleClick),
        ("double-click-two-keys", Self::DoubleClickTwoKeys),
        ("sign-in", Self::SignIn),
        ("sign-in-retry", Self::SignInRetry),
        ("refresh-storm", Self::RefreshStorm),
        ("browse", Self::Browse),
        ("read", Self::Read),
        ("post", Self::Post),
        ("like", Self::Like),
        ("comment", Self::Comment),
        ("follow", Self::Follow),
    ];

    /// How many tabs a browser has open that renews its session in all of them.
    pub const TABS: usize = 5;

    /// Whether it is about what people write, not about the sale.
    #[must_use]
    pub fn is_social(self) -> bool {
        matches!(self, Self::Browse | Self::Read | Self::Post | Self::Like | Self::Comment | Self::Follow)
    }

    /// How many requests it makes at the same moment.
    #[must_use]
    pub fn at_once(self) -> usize {
        match self {
            Self::RefreshStorm => Self::TABS,
            Self::DoubleClick | Self::DoubleClickTwoKeys => 2,
            _ => 1,
        }
    }

    /// Whether it needs the buyer's password.
    #[must_use]
    pub fn signs_in(self) -> bool {
        matches!(self, Self::SignIn | Self::SignInRetry | Self::RefreshStorm)
    }
}
