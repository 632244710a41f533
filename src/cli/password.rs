//! Passwords: typed at a prompt, or read from stdin; never an argument, which `ps` and the shell's history would show.

use std::io::{self, IsTerminal, Read};

use dialoguer::Password;

use super::failure::Failure;

/// The longest line that is read from stdin, in bytes; the services' own limit is lower.
const BYTES_MAX: u64 = 4_096;

/// How to give a password without a terminal.
const ON_STDIN: &str = "For example: printf %s \"$PASSWORD\" | preorder user add … --password-stdin";

/// How a subcommand gets a password. Ask before anything is awaited: up to then, Ctrl-C at the prompt ends the process
/// and gives the terminal its echo back.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct PasswordArgs {
    /// Read the password from standard input instead of asking for it.
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordArgs {
    /// A password that is about to be set, typed twice at a prompt.
    ///
    /// # Errors
    /// When stdin is no terminal and `--password-stdin` was not given, or holds no password.
    pub(super) fn new_password(self) -> Result<String, Failure> {
        if self.password_stdin {
            return from_reader(io::stdin().lock());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::usage(
                "There is no terminal to ask for the password at.",
                "Give it on standard input, with --password-stdin.",
            ));
        }
        Password::new()
            .with_prompt("New password")
            .with_confirmation("Once more", "The two are not the same; again.")
            .interact()
            .map_err(|error| Failure::failed(format!("The password can't be read: {error}."), ON_STDIN))
    }
}

/// The reader's only line, without its end.
fn from_reader(reader: impl Read) -> Result<String, Failure> {
    let mut text = String::new();
    reader.take(BYTES_MAX).read_to_string(&mut text).map_err(|error| {
        Failure::failed(format!("The password can't be read from standard input: {error}."), ON_STDIN)
    })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || line.contains('\n') {
        return Err(Failure::usage("Standard input must hold the password on one line.", ON_STDIN));
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::from_reader;

    #[test]
    fn one_line_is_the_password() {
        for text in [" two words ", " two words \n", " two words \r\n"] {
            assert_eq!(from_reader(text.as_bytes()).unwrap(), " two words ");
        }
        for text in ["", "\n", "one\ntwo\n"] {
            from_reader(text.as_bytes()).unwrap_err();
        }
    }
}
