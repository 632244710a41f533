//! Activities as they happen: one task reads the log behind every commit and tells those who listen.
//!
//! The rows are the only source, so nothing is told that was not committed, in no other order, and what another process
//! writes is told too. Nobody is waited for: a listener who does not keep up is dropped after [`WAITING_MAX`] events, and
//! comes back with the number of the last one.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::audience::Audience;
use super::model::{Event, View};
use super::rules::Wanted;
use super::service::{MayListen, Newsfeed, entries};
use super::store::{self, Line};
use crate::activity::{ActivityKind, Post};
use crate::kernel::actor::Actor;
use crate::kernel::error::{Error, Kind, Text};
use crate::kernel::ids::{ActivityId, PostId, UserId};
use crate::store::{Conn, Db};

/// Events that wait for one listener; more, and the listener is dropped.
const WAITING_MAX: usize = 256;
/// Events of the past that a returning listener is told; of more, the latest.
const PAST_MAX: usize = 500;
/// Streams at once.
const STREAMS_MAX: usize = 4_096;
/// Streams of one user at once.
const STREAMS_OF_USER_MAX: usize = 16;
/// Lines of the log that are read at a time.
const LINES_MAX: usize = 1_000;
/// How often it is looked whether a listener has gone, or may listen no more.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Listeners that may wait to be let in.
const JOINS_MAX: usize = 1_024;

/// What a listener gets.
pub struct Listening {
    /// What happened since the number that the listener came back with, in order.
    pub past: Vec<Event>,
    /// Whether more happened than is told.
    pub missed: bool,
    /// What happens from here on; it ends when the listener is dropped.
    pub live: mpsc::Receiver<Event>,
}

/// The way to the task.
pub(super) struct Hub {
    joins: mpsc::Sender<Join>,
    task: Mutex<Option<Task>>,
    open: Arc<AtomicUsize>,
    closed: CancellationToken,
}

struct Join {
    actor: Actor,
    reply: oneshot::Sender<Result<(ActivityId, mpsc::Receiver<Event>), Error>>,
}

impl Hub {
    pub(super) fn new(db: Db, may_listen: MayListen) -> Self {
        let (joins, joining) = mpsc::channel(JOINS_MAX);
        let closed = CancellationToken::new();
        let task = Task {
            db,
            may_listen,
            joining,
            closed: closed.clone(),
            audience: Audience::default(),
            streams: HashMap::new(),
            open: Arc::default(),
            told: ActivityId(0),
        };
        let open = Arc::clone(&task.open);
        Self { joins, task: Mutex::new(Some(task)), open, closed }
    }
}

impl Newsfeed {
    /// Begins to tell what happens, until the room is closed or dropped. Must be called inside a tokio runtime.
    pub fn keep_current(&self) {
        let task = self.hub.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            tokio::spawn(task.run());
        }
    }

    /// How many streams are open; one whose client has gone still counts for a second.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.hub.open.load(Ordering::Relaxed)
    }

    /// Ends every stream, and lets nobody listen any more.
    pub fn close(&self) {
        self.hub.closed.cancel();
    }

    /// Lets somebody listen, from behind the activity `since` if they were here before.
    ///
    /// # Errors
    /// `503 busy` when too many listen or the server stops; `429 too_many_streams` for one user's.
    pub async fn listen(&self, actor: Actor, since: Option<ActivityId>) -> Result<Listening, Error> {
        let (reply, joined) = oneshot::channel();
        self.hub.joins.try_send(Join { actor, reply }).map_err(|_| Error::busy(1))?;
        let (from, live) = joined.await.unwrap_or_else(|_| Err(Error::busy(1)))?;
        let Some(since) = since else { return Ok(Listening { past: Vec::new(), missed: false, live }) };
        let (past, missed) = self.past(actor.user, since, from).await?;
        Ok(Listening { past, missed, live })
    }

    /// What a reader's views hold above `since` and not above `to`, in order, and whether there was more.
    async fn past(&self, reader: UserId, since: ActivityId, to: ActivityId) -> Result<(Vec<Event>, bool), Error> {
        let wanted = Wanted { before: ActivityId(to.0 + 1), after: Some(since), limit: PAST_MAX + 1 };
        self.db
            .read(move |conn| {
                let (mut events, mut missed) = (BTreeMap::new(), false);
                for view in View::ALL {
                    let found = entries(conn, reader, view, wanted)?;
                    missed |= found.given_up.is_some();
                    for entry in found.items {
                        let (_, views) = events.entry(entry.id).or_insert_with(|| (entry, Vec::new()));
                        views.push(view);
                    }
                }
                missed |= events.len() > PAST_MAX;
                let latest = events.into_values().rev().take(PAST_MAX).collect::<Vec<_>>();
                let shown = latest.into_iter().rev().map(|(entry, views)| {
                    let post = written(conn, entry.kind, entry.post)?;
                    Ok(Event { entry: Arc::new(entry), post, views })
                });
                Ok((shown.collect::<Result<_, Error>>()?, missed))
            })
            .await
    }
}

/// The post that an activity wrote, if it wrote one.
fn written(conn: &Conn<'_>, kind: ActivityKind, post: Option<PostId>) -> Result<Option<Arc<Post>>, Error> {
    let post = post.filter(|_| kind == ActivityKind::WritePost);
    Ok(post.map(|post| store::post(conn, post)).transpose()?.flatten().map(Arc::new))
}

/// One open stream.
struct Stream {
    actor: Actor,
    /// It begins behind this activity.
    from: ActivityId,
    events: mpsc::Sender<Event>,
}

struct Task {
    db: Db,
    may_listen: MayListen,
    joining: mpsc::Receiver<Join>,
    closed: CancellationToken,
    audience: Audience,
    /// Of everybody in the audience.
    streams: HashMap<UserId, Vec<Stream>>,
    /// How many those are, for whoever counts.
    open: Arc<AtomicUsize>,
    /// The last line that was told.
    told: ActivityId,
}

impl Task {
    async fn run(mut self) {
        let closed = self.closed.clone();
        closed.run_until_cancelled(self.tell()).await;
    }

    async fn tell(&mut self) {
        let mut moved = self.db.moved();
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        let mut joins = Vec::new();
        loop {
            tokio::select! {
                count = self.joining.recv_many(&mut joins, JOINS_MAX) => if count == 0 { return },
                Ok(()) = moved.changed() => {}
                _ = looks.tick() => self.drop_the_gone(),
            }
            if let Err(error) = self.catch_up(&mut joins).await {
                tracing::warn!(%error, "the log could not be read for those who listen; trying again");
            }
        }
    }

    async fn catch_up(&mut self, joins: &mut Vec<Join>) -> Result<(), Error> {
        if !joins.is_empty() {
            self.let_in(std::mem::take(joins)).await?;
        }
        while !self.audience.is_empty() && self.tell_more().await? {}
        Ok(())
    }

    /// Lets newcomers in behind what is logged now. Their circles are as of now, too: older lines that were not told yet
    /// only say again what the circles know.
    async fn let_in(&mut self, joins: Vec<Join>) -> Result<(), Error> {
        let new = joins.iter().map(|join| join.actor.user).filter(|user| !self.streams.contains_key(user));
        let new: Vec<_> = new.collect();
        let read = self.db.read(move |conn| {
            let people =
                new.into_iter().map(|user| Ok((user, (store::following(conn, user)?, store::followers(conn, user)?))));
            Ok((store::latest(conn)?, people.collect::<Result<Vec<_>, Error>>()?))
        });
        let (latest, people) = read.await?;
        if self.audience.is_empty() {
            self.told = latest;
        }
        for (user, people) in people {
            self.audience.add(user, people);
        }
        for Join { actor, reply } in joins {
            let count = self.streams.values().map(Vec::len).sum::<usize>();
            let streams = self.streams.entry(actor.user).or_default();
            let answer = if count >= STREAMS_MAX {
                Err(Error::busy(5))
            } else if streams.len() >= STREAMS_OF_USER_MAX {
                Err(too_many_streams())
            } else {
                let (events, live) = mpsc::channel(WAITING_MAX);
                streams.push(Stream { actor, from: latest, events });
                Ok((latest, live))
            };
            // Counted before they know: who has a stream finds it counted.
            self.count();
            drop(reply.send(answer));
        }
        Ok(())
    }

    fn count(&self) {
        self.open.store(self.streams.values().map(Vec::len).sum(), Ordering::Relaxed);
    }

    /// Tells the next lines of the log; gives whether there may be more.
    async fn tell_more(&mut self) -> Result<bool, Error> {
        let told = self.told;
        let lines = self.db.read(move |conn| Ok(store::lines(conn, told, LINES_MAX)?)).await?;
        let Some(last) = lines.last().map(|line| line.id) else { return Ok(false) };
        let listeners = |line: &Line| (line.id, self.audience.told(line));
        let wanted: Vec<_> = lines.iter().map(listeners).filter(|(_, listeners)| !listeners.is_empty()).collect();
        let ids: Vec<_> = wanted.iter().map(|(id, _)| *id).collect();
        if !ids.is_empty() {
            let read = self.db.read(move |conn| {
                let show = |id| {
                    let Some(entry) = store::entry(conn, id)? else { return Ok(None) };
                    let post = written(conn, entry.kind, entry.post)?;
                    Ok(Some((Arc::new(entry), post)))
                };
                ids.into_iter().map(show).collect::<Result<Vec<_>, Error>>()
            });
            for (shown, (_, listeners)) in read.await?.into_iter().zip(wanted) {
                let Some((entry, post)) = shown else { continue };
                for (listener, views) in listeners {
                    self.send(listener, &Event { entry: Arc::clone(&entry), post: post.clone(), views });
                }
            }
        }
        self.told = last;
        Ok(lines.len() == LINES_MAX)
    }

    /// Sends an event to a listener's streams; one that does not keep up is dropped.
    fn send(&mut self, listener: UserId, event: &Event) {
        let Some(streams) = self.streams.get_mut(&listener) else { return };
        streams.retain(|stream| event.entry.id <= stream.from || stream.events.try_send(event.clone()).is_ok());
    }

    /// Forgets the streams whose clients have gone, and ends those of users who may listen no more.
    fn drop_the_gone(&mut self) {
        let Self { streams, audience, may_listen, .. } = self;
        streams.retain(|user, streams| {
            streams.retain(|stream| !stream.events.is_closed() && may_listen(stream.actor));
            if streams.is_empty() {
                audience.remove(*user);
            }
            !streams.is_empty()
        });
        self.count();
    }
}

pub(super) fn too_many_streams() -> Error {
    let detail = Text::made(
        format!("One user may have {STREAMS_OF_USER_MAX} streams at once."),
        format!("한 사용자는 동시에 {STREAMS_OF_USER_MAX}개의 스트림까지 열 수 있습니다."),
    );
    Error::new(Kind::TooMany, "too_many_streams", detail).retry_after_s(5)
}
