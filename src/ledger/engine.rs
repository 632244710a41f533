//! The engine: a bounded queue, batches, replies.
//!
//! Whatever has queued up while the last batch was being committed becomes the next batch, so that one fsync serves many
//! (group commit) and a lone command waits for nobody. A reply leaves only after its batch is durable.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::command::{Command, Outcome};
use super::sqlite::SqliteLedger;
use crate::kernel::error::{Error, Kind};

/// The most commands in a batch. Larger ones gain little (the fsync is shared already) and keep the first waiting.
const BATCH_MAX: usize = 512;

type Reply = oneshot::Sender<Result<Outcome, Error>>;

/// The queue's front end.
pub(crate) struct Engine {
    queue: mpsc::Sender<(Command, Reply)>,
}

impl Engine {
    /// Starts the engine on `ledger`; it ends when this front end is dropped and the queue is empty.
    pub(crate) fn start(ledger: Arc<SqliteLedger>, queue_length: usize) -> Self {
        let (queue, waiting) = mpsc::channel(queue_length.max(1));
        tokio::spawn(run(ledger, waiting));
        Self { queue }
    }

    /// Puts a command into the queue at once; the future waits until its batch is durable. No `async fn`: the command
    /// would travel inside the future, and be copied with it through every layer above.
    ///
    /// # Errors
    /// [`Kind::Busy`] when the queue is full; the batch's error when it could not be saved (nothing was done).
    pub(crate) fn submit(&self, command: Command) -> impl Future<Output = Result<Outcome, Error>> + Send + use<> {
        let (reply, outcome) = oneshot::channel();
        let queued = self.queue.try_send((command, reply)).map_err(|_| Error::busy(1));
        async move {
            queued?;
            outcome.await.unwrap_or_else(|_| Err(Error::busy(1).because("the ledger is stopping")))
        }
    }
}

async fn run(ledger: Arc<SqliteLedger>, mut waiting: mpsc::Receiver<(Command, Reply)>) {
    let mut taken = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut taken, BATCH_MAX).await > 0 {
        let (commands, replies): (Vec<_>, Vec<_>) = taken.drain(..).unzip();
        let commands: Arc<[Command]> = commands.into();
        match ledger.process(Arc::clone(&commands)).await {
            Ok(outcomes) => answer(replies, outcomes.into_iter().map(Ok)),
            // One command that can't be saved must not take its neighbours with it: each gets a batch of its own.
            Err(error) if error.kind() == Kind::Internal && commands.len() > 1 => {
                for (command, reply) in commands.iter().zip(replies) {
                    let alone = ledger.process(Arc::from([command.clone()])).await;
                    answer([reply], alone.map_or_else(|e| vec![Err(e)], |o| o.into_iter().map(Ok).collect()));
                }
            }
            Err(error) => answer(replies, std::iter::repeat(Err(error))),
        }
    }
}

/// Answers everybody; a buyer who has gone is not waited for.
fn answer(replies: impl IntoIterator<Item = Reply>, outcomes: impl IntoIterator<Item = Result<Outcome, Error>>) {
    for (reply, outcome) in replies.into_iter().zip(outcomes) {
        drop(reply.send(outcome));
    }
}
