//! Which rooms this process serves: all of them unless the settings say otherwise.

use std::fmt;
use std::str::FromStr;

/// What [`Targets`] are written as.
pub const TARGETS_ALLOWED: &str =
    "'all', or names between commas: users, products, stock, payments, purchases, activity, newsfeed, pages";

/// A group of routes that a process can serve by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Accounts and sessions.
    Users,
    /// The catalogue.
    Products,
    /// Live counts, adjustments and movements.
    Stock,
    /// Entering and settling payments.
    Payments,
    /// A buyer's orders.
    Purchases,
    /// Posts, comments, likes, follows.
    Activity,
    /// Feeds, activities and their stream.
    Newsfeed,
    /// The web pages.
    Pages,
}

impl Target {
    /// Every target, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Users,
        Self::Products,
        Self::Stock,
        Self::Payments,
        Self::Purchases,
        Self::Activity,
        Self::Newsfeed,
        Self::Pages,
    ];

    /// The word in the settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Products => "products",
            Self::Stock => "stock",
            Self::Payments => "payments",
            Self::Purchases => "purchases",
            Self::Activity => "activity",
            Self::Newsfeed => "newsfeed",
            Self::Pages => "pages",
        }
    }
}

/// The targets of one process; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets(Vec<Target>);

impl Targets {
    /// Every target.
    #[must_use]
    pub fn all() -> Self {
        Self(Target::ALL.to_vec())
    }

    /// Whether this process serves `target`.
    #[must_use]
    pub fn contains(&self, target: Target) -> bool {
        self.0.contains(&target)
    }
}

impl FromStr for Targets {
    type Err = &'static str;

    /// Takes `all`, or names between commas; order and repeats do not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "all" {
            return Ok(Self::all());
        }
        let known = |name: &str| Target::ALL.into_iter().find(|target| target.as_str() == name.trim());
        let mut targets: Vec<Target> =
            text.split(',').map(|name| known(name).ok_or(TARGETS_ALLOWED)).collect::<Result<_, _>>()?;
        targets.sort_unstable();
        targets.dedup();
        Ok(Self(targets))
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Target::ALL {
            return f.write_str("all");
        }
        let names: Vec<_> = self.0.iter().map(|target| target.as_str()).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_put_in_order_and_all_is_all() {
        let some: Targets = "stock, users,stock".parse().unwrap();
        assert_eq!(some.to_string(), "users,stock");
        assert!(some.contains(Target::Stock) && !some.contains(Target::Payments));
        let every = "users,products,stock,payments,purchases,activity,newsfeed,pages";
        assert_eq!(every.parse::<Targets>().unwrap().to_string(), "all");
        assert!("".parse::<Targets>().is_err() && "users,".parse::<Targets>().is_err());
    }
}
