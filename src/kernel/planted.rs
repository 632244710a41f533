//! Faults that are put into the ledger on purpose, to see that the rehearsal's verdict finds them. They are in builds
//! with debug assertions only: a release does not know the setting, and has no code for it.

use std::fmt;
use std::str::FromStr;

/// The variable that plants one. It is no setting: no file holds it, and nothing lists it.
pub const VARIABLE: &str = "PREORDER_PLANTED_FAULT";

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedFault {
    /// Once no unit is left, one-call purchases are completed all the same.
    Oversell,
    /// Purchases are answered before they are durable, and some never are.
    EarlyAnswer,
}

impl FromStr for PlantedFault {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "oversell" => Ok(Self::Oversell),
            "early_answer" => Ok(Self::EarlyAnswer),
            _ => Err("'oversell' or 'early_answer'"),
        }
    }
}

/// As the variable names it.
impl fmt::Display for PlantedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oversell => "oversell",
            Self::EarlyAnswer => "early_answer",
        })
    }
}
