//! Who sits at the command line: the system's user that runs this process.

use std::sync::LazyLock;

/// The user's number on this machine, and what they are called there.
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) name: Option<String>,
}

/// Whoever runs this process.
pub(super) static ACCOUNT: LazyLock<Account> = LazyLock::new(|| {
    let uid = rustix::process::getuid().as_raw();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    Account { uid, name: name_of(&accounts, uid) }
});

/// A user's name in the machine's list of accounts; users that are kept elsewhere have a number alone.
fn name_of(accounts: &str, uid: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn a_user_is_found_by_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\n\nbroken\npreorder:x:990:990::/nonexistent:/bin/false\n";
        assert_eq!(name_of(accounts, 0).as_deref(), Some("root"));
        assert_eq!(name_of(accounts, 990).as_deref(), Some("preorder"));
        assert_eq!(name_of(accounts, 99), None);
    }
}
