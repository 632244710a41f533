//! Where the crowd comes from. A server counts requests by address, so bots share one, and people have others.
//!
//! All of 127.0.0.0/8 is this machine, and whoever connects may choose one of its addresses as their own.

use std::net::{IpAddr, Ipv4Addr, TcpListener};

use super::crowd::REQUEST_TIMEOUT;
use super::scenario::BotTerms;
use crate::kernel::error::{Error, Kind, Text};

/// The address that all bots share.
const BOTS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// People's addresses are 127.1.0.0 and those after it.
const PEOPLE: u32 = 0x7F01_0000;

/// The HTTP clients of a crowd.
#[derive(Clone)]
pub(super) struct Clients {
    /// For bots, or for everybody.
    first: reqwest::Client,
    /// For people, an address each; empty when everybody has the same.
    people: Vec<reqwest::Client>,
}

impl Clients {
    /// Clients towards `url`: one for everybody, or one for bots and one for each address of people.
    ///
    /// # Errors
    /// `no_addresses` when the system has only one, or the server is not on this machine.
    pub(super) fn new(url: &str, bots: Option<&BotTerms>) -> Result<Self, Error> {
        let Some(bots) = bots else { return Ok(Self { first: client(url)?, people: Vec::new() }) };
        if !url.contains("://127.") {
            return Err(no_addresses(&format!("the server must be at 127.0.0.1, not at {url}")));
        }
        TcpListener::bind((BOTS, 0)).map_err(|error| no_addresses(&format!("{BOTS} can't be used: {error}")))?;
        let at = |address: Ipv4Addr, idle| {
            let builder = builder(url).local_address(IpAddr::from(address)).pool_max_idle_per_host(idle);
            builder.build().map_err(|error| no_client(&error))
        };
        let people = (0..u32::try_from(bots.addresses).unwrap_or(u32::MAX)).map(|number| {
            // One connection that waits, so that a thousand addresses do not hold ten thousand of them.
            at(Ipv4Addr::from_bits(PEOPLE + number), 1)
        });
        Ok(Self { first: at(BOTS, usize::MAX)?, people: people.collect::<Result<_, _>>()? })
    }

    /// The client of a buyer.
    pub(super) fn of(&self, buyer: usize, is_bot: bool) -> &reqwest::Client {
        if is_bot || self.people.is_empty() { &self.first } else { &self.people[buyer % self.people.len()] }
    }
}

/// The client that every connection shares; a server on this machine is reached without the user's proxy.
///
/// # Errors
/// When the system has no certificates, or the like.
pub(super) fn client(url: &str) -> Result<reqwest::Client, Error> {
    builder(url).build().map_err(|error| no_client(&error))
}

fn builder(url: &str) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .http1_only()
        .timeout(REQUEST_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("preorder-loadtest/", env!("CARGO_PKG_VERSION")));
    if ["://127.", "://localhost", "://[::1]"].iter().any(|host| url.contains(host)) {
        return builder.no_proxy();
    }
    builder
}

fn no_client(error: &reqwest::Error) -> Error {
    Error::internal(format!("making an HTTP client: {error}"))
}

fn no_addresses(why: &str) -> Error {
    let detail = Text::made(
        format!(
            "Bots and people need addresses of their own: {why}. Leave [bots] out of the scenario, or see its README."
        ),
        format!("봇과 사람에게 서로 다른 주소가 필요합니다: {why}"),
    );
    Error::new(Kind::Conflict, "no_addresses", detail)
}
