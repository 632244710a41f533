//! Which rooms a process serves: all of them, unless it is told otherwise.

use std::fmt;
use std::str::FromStr;

/// A room that can be served on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Accounts and sessions.
    Users,
    /// The catalogue.
    Products,
    /// Live counts and adjustments.
    Stock,
    /// Entering and settling a payment.
    Payments,
    /// A buyer's orders.
    Purchases,
}

impl Target {
    /// Every room.
    pub const ALL: [Self; 5] = [Self::Users, Self::Products, Self::Stock, Self::Payments, Self::Purchases];

    /// The room's name in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Products => "products",
            Self::Stock => "stock",
            Self::Payments => "payments",
            Self::Purchases => "purchases",
        }
    }
}

/// The rooms that one process serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets(Vec<Target>);

impl Targets {
    /// Every room.
    #[must_use]
    pub fn all() -> Self {
        Self(Target::ALL.to_vec())
    }

    /// Whether the process serves `target`.
    #[must_use]
    pub fn contains(&self, target: Target) -> bool {
        self.0.contains(&target)
    }
}

impl Default for Targets {
    fn default() -> Self {
        Self::all()
    }
}

impl FromStr for Targets {
    type Err = &'static str;

    /// Takes `all`, or names with commas between them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "all" {
            return Ok(Self::all());
        }
        let mut targets = Vec::new();
        for name in text.split(',').map(str::trim) {
            let target = Target::ALL.into_iter().find(|target| target.as_str() == name);
            let target = target.ok_or("'all', or some of users, products, stock, payments, purchases")?;
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        Ok(Self(targets))
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, target) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{}", target.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_named_with_commas() {
        let some: Targets = "users, products,users".parse().unwrap();
        assert_eq!(some.to_string(), "users,products");
        assert!(some.contains(Target::Users) && !some.contains(Target::Payments));
        assert_eq!("all".parse::<Targets>().unwrap(), Targets::all());
        assert_eq!(Targets::all().to_string().parse::<Targets>().unwrap(), Targets::all());
        assert!("".parse::<Targets>().is_err() && "users,shop".parse::<Targets>().is_err());
    }
}
