//! The engine: a bounded queue, batches, replies.
//!
//! Whatever has queued up while the last batch was being committed becomes the next batch, so that one fsync serves many
//! (group commit) and a lone command waits for nobody. A batch is taken on the writer's own thread, the moment its turn
//! comes: between two batches nobody has to be woken. A reply leaves only after its batch is durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::command::{Command, Outcome};
use super::sqlite::SqliteLedger;
use crate::kernel::error::{Error, Kind};
use crate::store::sqlite::{Connection, WriterQueue, panicked};

/// The most commands in a batch. Larger ones gain little (the fsync is shared already) and keep the first waiting.
pub(super) const BATCH_MAX: usize = 512;

/// The longest queue that can be set.
const QUEUE_LENGTH_MAX: usize = 1_000_000;

type Reply = oneshot::Sender<Result<Outcome, Error>>;

/// The queue's front end.
pub(crate) struct Engine {
    queue: flume::Sender<(Command, Reply)>,
    /// How many may wait in it.
    queue_length: AtomicUsize,
    turns: Arc<Turns>,
}

/// What a turn at the writer needs.
struct Turns {
    ledger: Arc<SqliteLedger>,
    waiting: flume::Receiver<(Command, Reply)>,
    /// Whether a turn stands in the writer's queue, or is being taken.
    due: AtomicBool,
    writer: WriterQueue,
    runtime: Handle,
}

impl Engine {
    /// An engine whose batches go through `writer`. Must be called inside a tokio runtime, which wakes those who wait.
    pub(crate) fn new(ledger: Arc<SqliteLedger>, writer: WriterQueue, queue_length: usize) -> Self {
        let (queue, waiting) = flume::bounded(QUEUE_LENGTH_MAX);
        let turns = Turns { ledger, waiting, due: AtomicBool::new(false), writer, runtime: Handle::current() };
        Self { queue, queue_length: AtomicUsize::new(queue_length.max(1)), turns: Arc::new(turns) }
    }

    /// Lets so many commands wait from now on. Those that wait are not turned away.
    pub(crate) fn set_queue_length(&self, queue_length: usize) {
        self.queue_length.store(queue_length.max(1), Ordering::Relaxed);
    }

    /// How many commands wait for a batch.
    pub(crate) fn waiting(&self) -> usize {
        self.turns.waiting.len()
    }

    /// Puts a command into the queue at once; the future waits until its batch is durable. No `async fn`: the command
    /// would travel inside the future, and be copied with it through every layer above.
    ///
    /// # Errors
    /// [`Kind::Busy`] when the queue is full; the batch's error when it could not be saved (nothing was done).
    pub(crate) fn submit(&self, command: Command) -> impl Future<Output = Result<Outcome, Error>> + Send + use<> {
        let (reply, outcome) = oneshot::channel();
        // Several that come at the same moment may find the same last place, and get one each.
        let has_room = self.waiting() < self.queue_length.load(Ordering::Relaxed);
        let sent = if has_room { self.queue.try_send((command, reply)).ok() } else { None };
        let queued = sent.ok_or_else(|| Error::busy(1));
        self.turns.ask();
        async move {
            queued?;
            outcome.await.unwrap_or_else(|_| Err(Error::busy(1).because("the ledger is stopping")))
        }
    }
}

impl Turns {
    /// Asks for a turn, unless one is due already.
    fn ask(self: &Arc<Self>) {
        if self.due.swap(true, Ordering::AcqRel) {
            return;
        }
        let turns = Arc::clone(self);
        if let Err(error) = self.writer.post(move |connection| turns.take(connection)) {
            self.due.store(false, Ordering::Release);
            self.answer(self.waiting.try_iter().map(|(_, reply)| (reply, Err(error.clone()))).collect());
        }
    }

    /// Takes what is waiting as one batch, answers it, and asks for the next turn if there is more: others' writes that
    /// came meanwhile go first.
    ///
    /// # Errors
    /// When the batch could not be saved; everybody in it has been told.
    fn take(self: &Arc<Self>, connection: &mut Connection) -> Result<(), Error> {
        let (commands, replies): (Vec<_>, Vec<_>) = self.waiting.try_iter().take(BATCH_MAX).unzip();
        let done = if commands.is_empty() { Ok(()) } else { self.process(connection, &commands, replies) };
        self.due.store(false, Ordering::Release);
        // Whoever queued up before this line found a turn due, and asked for none.
        if !self.waiting.is_empty() {
            self.ask();
        }
        done
    }

    fn process(&self, connection: &mut Connection, commands: &[Command], replies: Vec<Reply>) -> Result<(), Error> {
        // Caught here: whoever is in the batch must be told, and the next turn must come.
        let processed = catch_unwind(AssertUnwindSafe(|| self.ledger.process(connection, commands)));
        match processed.unwrap_or_else(|_| Err(panicked())) {
            Ok(outcomes) => self.answer(replies.into_iter().zip(outcomes.into_iter().map(Ok)).collect()),
            // One command that can't be saved must not take its neighbours with it: each gets a batch of its own.
            Err(error) if error.kind() == Kind::Internal && commands.len() > 1 => {
                for (command, reply) in commands.chunks(1).zip(replies) {
                    self.process(connection, command, vec![reply])?;
                }
            }
            Err(error) => {
                self.answer(replies.into_iter().map(|reply| (reply, Err(error.clone()))).collect());
                return if error.is_storage_failed() { Err(error) } else { Ok(()) };
            }
        }
        Ok(())
    }

    /// Answers everybody, on the runtime's threads: waking a task from there is cheap, and the writer goes on meanwhile.
    /// A buyer who has gone is not waited for.
    fn answer(&self, answers: Vec<(Reply, Result<Outcome, Error>)>) {
        self.runtime.spawn(async move {
            for (reply, outcome) in answers {
                drop(reply.send(outcome));
            }
        });
    }
}
