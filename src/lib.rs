//! `preorder`: a single binary that runs limited-stock sales. It never oversells, never loses a unit, and never loses an
//! order that it has answered.
//!
//! # The idea
//! 1. Every unit of stock moves in exactly one place, the [`ledger`]: an order engine with a pure decision core.
//! 2. It works in batches: *load* the rows that a batch of commands needs, *decide* each command with pure functions,
//!    *save* all changes in one transaction, then answer everybody (group commit).
//! 3. Databases differ only in how a batch is loaded and saved; the rules are written once.
//! 4. Everything else is an ordinary room: HTTP handlers over a small service over plain SQL.
//! 5. HTTP, the command line and the rehearsal are thin faces: they parse, call one service method, and render.
//!
//! # Map
//! | module | is about |
//! | --- | --- |
//! | [`kernel`] | ids, money, time, pages, who is asking, errors; knows nobody |
//! | [`store`] | the door to the database: one writer, a pool of readers, migrations, the cache, copies, S3 buckets; no word of the domain |
//! | [`ledger`] | rules and decisions (pure), engine, live board, SQLite adapter, audit (independent of the rules) |
//! | [`users`] | accounts, sessions, tokens, password hashing on its own threads; codes by mail, profile images |
//! | [`products`] | the catalogue and its sale windows, cached |
//! | [`stock`] | live counts, adjustments, movement history: a face of the ledger |
//! | [`payments`] | entering and settling a payment, and the port to whoever charges: a face of the ledger |
//! | [`purchases`] | a buyer's orders and refunds: a face of the ledger |
//! | [`activity`] | posts, comments, likes, follows, and the log of all of it |
//! | [`newsfeed`] | feeds and activities as pages, from memory, and as a stream: a face of the activity |
//! | [`audit`] | every room's proof of its invariants in one, and one at a time |
//! | [`upkeep`] | the database as a whole: backups and their schedule, restoring one, checks, figures |
//! | [`webhooks`] | who is told of orders, how they are reached, and how that went |
//! | [`pulse`] | how the sale goes, second by second, in memory: what the admin's board shows |
//! | [`pages`] | the web pages, and the admin's: templates, texts and assets in the binary; parse, call one service method, render |
//! | [`http`] | what handlers share: routes that can be listed, extractors, problem documents, pages, and the counters of traffic |
//! | [`gateway`] | the door: authentication, rate limits, request ids, errors in the reader's language, a count of each answer |
//! | [`server`] | the rooms behind the door, and the accept loop with its limits |
//! | [`app`] | the composition root: settings in, services out |
//! | [`config`], [`target`] | the documented settings; which rooms a process serves |
//! | [`seed`] | products and users to begin with, and generated ones; pure |
//! | [`loadtest`] | the rehearsal: scenario, crowd, verdict (independent of the rules), report |
//! | [`cli`] | one file for each subcommand; `output.rs` is the only printer |
//!
//! Inside a room a file has the same name everywhere: `model.rs`, `rules.rs` (pure), `store.rs` (SQL), `service.rs` (use
//! cases: what every face calls), `http.rs` (routes, request and response types, handlers).
//!
//! # A purchase, from the socket to the disk and back
//! ```text
//! accept loop ─▶ door (room, token, rates) ─▶ payments ─▶ admission on the board (memory) ─▶ bounded queue ─▶ engine
//! engine: take what is waiting ─▶ load ─▶ decide each in order ─▶ save in one transaction ─▶ publish counts ─▶ reply
//! ```
//!
//! # Dependency law (kept by `tests/it/law.rs`)
//! - `kernel` ← `store` ← `ledger`, rooms ← `app`, `server`, `loadtest`, `cli`. No room imports one of the last four.
//! - In a room: `model`, `rules` ← `store` ← `service` ← `http`.
//! - The ledger knows no room; `products`, `stock`, `payments` and `purchases` know the ledger. Room to room there are few
//!   edges: `payments` knows `purchases`, whose view of an order it answers with; `newsfeed` knows `activity`, which knows
//!   `users`.
//! - The pages know every room whose things they show, and hold no rule; a room never knows a page.
//! - Only `http.rs` files, `http`, `pages`, `server` and `gateway` name axum. Only `store` and the ledger's adapter name a database
//!   driver. Only `cli/output.rs` prints, only `config` reads the environment, only the kernel's clock reads the time.
//!
//! # Invariants
//! They are asserted in the ledger's rules, again as SQL `CHECK`s and unique indexes, and proven from the rows by
//! `preorder audit`:
//! - `available`, `held` and `sold` are never below zero, and add up to `total`.
//! - A product's movements add up to its counts; its live orders add up to `held + sold`.
//! - An order resolves once. The one way back: money for an expired order that arrives late takes the units again if every
//!   rule still allows it, else it is paid back; both are recorded.
//! - One buyer's live orders for a product stay within its per-buyer limit.
//! - One idempotency key of one buyer gives one order.
//! - An answer is durable before it leaves: a kill at any moment loses nothing that was answered.
//! - Sums of money are whole minor units, and never overflow silently.
//! - What is counted beside posts, comments and users is what their rows add up to, and the log tells how each like and
//!   follow came to be.
//!
//! # Where the plan was changed
//! - Offers (terms and counts) are a table of the ledger's, apart from the catalogue: the ledger decides from them, and
//!   the catalogue writes them only through `ledger::offers`, in its own transaction.
//! - The engine ends holds that have run out at the start of each batch, so that their units are free for it; the board
//!   knows when the next ones do, and lets through to the engine who wants their units; the sweeper is for quiet times.
//! - A one-call purchase is one movement, from `available` to `sold`: nothing of it is ever seen as held.
//! - SQLite keeps no index of orders by buyer. Its entries would land at random, a page for each purchase; so orders are
//!   noted in a row and filed under their buyers in bulk (`ledger/filing.rs`), and the audit proves that each is found. So are
//!   idempotency keys, of which only a digest is kept; those that wait are remembered.
//! - So are likes of posts, what is counted about posts (apart from their words), and whose an activity of the log is
//!   (`activity/store`): each would land at random on pages of its own. The audit proves that nothing is lost on the way.
//! - A like has no savepoint in the transaction that it shares (`Db::write_checked`): it fails before it writes, or else
//!   everybody's writes are undone.
//! - The engine has no task of its own: it takes its turns on the writer's thread, and a thread beside it copies the log.
//! - The door is no layer of axum's: it calls the rooms' router itself.
//! - The rehearsal's charts are drawn by hand, as colours and dashes come from the page's style.
//! - A build with debug assertions has a switch for faults on purpose (`planted.rs`), so that tests see the verdict fail.
//! - `seed` is a module of its own, between the files in `data/seed` and the rooms' services.

pub mod activity;
pub mod app;
pub mod audit;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod http;
pub mod kernel;
pub mod ledger;
pub mod loadtest;
pub mod newsfeed;
pub mod pages;
pub mod payments;
pub mod products;
pub mod pulse;
pub mod purchases;
pub mod seed;
pub mod server;
pub mod stock;
pub mod store;
pub mod target;
pub mod upkeep;
pub mod users;
pub mod webhooks;
