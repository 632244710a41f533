//! Connections: accepted within limits, over TLS or not, and answered by the door.
//!
//! HTTP/1 by hand rather than `axum::serve`, which has no time limit for a request's head, does not set `TCP_NODELAY` and
//! accepts connections without end. Over TLS, client and server agree on HTTP/2 or HTTP/1.1 (ALPN); without it all is
//! HTTP/1.1. A handshake is a connection's own affair, so that a slow one holds up nobody who waits to be accepted.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::{HOST, STRICT_TRANSPORT_SECURITY};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::places::Places;
use super::quiet::{Activity, Mood};
use super::stall::StallGuard;
use super::tls::{HTTP_2, Tls};
use crate::config::Limits;
use crate::gateway::{Door, Peer};

/// How long the loop waits when the system has no file descriptor left; trying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// The longest request head, and what a connection may hold in memory at most; hyper's default is over 400 KiB.
const BUFFER_BYTES_MAX: u32 = 65_536;
/// Requests at once on one HTTP/2 connection; browsers take 100 for enough (RFC 9113, section 6.5.2 advises no fewer).
const STREAMS_MAX: u32 = 128;
/// What a client may send ahead on one HTTP/2 connection, and on one of its streams.
const AHEAD_BYTES_MAX: u32 = 262_144;
/// How often a silent HTTP/2 connection is asked whether it is alive, and how long the answer may take.
const PING_EVERY: Duration = Duration::from_secs(20);
/// The answer to somebody who speaks plain HTTP where TLS is spoken.
const PLAIN_HTTP_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 35\r\n\
    connection: close\r\n\r\nThis port speaks TLS: use https://\n";

/// What the accept loop makes connections with; all of it but whether there is TLS can change while it runs.
pub struct Connections {
    door: Arc<Door>,
    tls: Option<Arc<Tls>>,
    places: Places,
    /// How long a head, a handshake or a client's reading may take, in seconds.
    patience_s: AtomicU64,
    shutdown_timeout_s: AtomicU64,
}

impl Connections {
    /// Connections to `door`, over TLS if there is any.
    #[must_use]
    pub fn new(door: Door, limits: &Limits, tls: Option<Arc<Tls>>) -> Arc<Self> {
        Arc::new(Self {
            door: Arc::new(door),
            tls,
            places: Places::new(limits.connections),
            patience_s: AtomicU64::new(limits.header_timeout_s),
            shutdown_timeout_s: AtomicU64::new(limits.shutdown_timeout_s),
        })
    }

    /// The door that they lead to.
    #[must_use]
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// TLS, if it is spoken.
    #[must_use]
    pub fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    /// Keeps to other limits from now on. Connections that are open keep the times that they began with.
    pub fn keep_to(&self, limits: &Limits) {
        self.places.set(limits.connections);
        self.patience_s.store(limits.header_timeout_s, Ordering::Relaxed);
        self.shutdown_timeout_s.store(limits.shutdown_timeout_s, Ordering::Relaxed);
    }

    /// How long a stopping server waits.
    pub(super) fn shutdown_timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_s.load(Ordering::Relaxed))
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.patience_s.load(Ordering::Relaxed))
    }

    /// Accepts connections and answers their requests, each in a task of its own, until `shutdown` is over.
    pub(super) async fn accept_until(
        self: &Arc<Self>,
        listener: &TcpListener,
        shutdown: impl Future<Output = ()>,
        open: &OpenConnections,
    ) {
        let mut shutdown = pin!(shutdown);
        loop {
            let (stream, peer, place) = tokio::select! {
                () = &mut shutdown => break,
                accepted = self.accept(listener) => accepted,
            };
            // Without it a small answer can wait 40 ms for the acknowledgement of the one before. A failure costs only that.
            drop(stream.set_nodelay(true));
            let (all, cut_off, watcher) = (Arc::clone(self), open.cut_off.clone(), open.graceful.watcher());
            let counted = self.door.connection();
            if self.tls.is_some() {
                let secured = Box::pin(Arc::clone(self).secured(stream, peer, watcher, open.closing.clone()));
                tokio::spawn(async move {
                    cut_off.run_until_cancelled(secured).await;
                    all.places.give_back(place);
                    drop(counted);
                });
            } else {
                let plain = self.plain(stream, peer, watcher);
                tokio::spawn(async move {
                    cut_off.run_until_cancelled(plain).await;
                    all.places.give_back(place);
                    drop(counted);
                });
            }
        }
        open.closing.cancel();
    }

    /// Waits until a connection is free, then for a client. Clients over the limit wait in the system's queue.
    async fn accept(&self, listener: &TcpListener) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        let place = self.places.take().await;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return (stream, peer, place),
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "accepting a connection failed; check the limit of open files");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Answers one connection's requests.
    fn plain(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher) -> impl Future<Output = ()> + use<> {
        let door = Arc::clone(&self.door);
        let peer = Peer { address: peer.ip(), tls: false };
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let door = Arc::clone(&door);
            async move { Ok::<_, Infallible>(door.answer(request, peer).await) }
        });
        let patience = self.patience();
        let stream = TokioIo::new(StallGuard::new(stream, patience));
        let connection = watcher.watch(http1(patience).serve_connection(stream, service));
        async move { tell_of(connection.await) }
    }

    /// Shakes hands, then answers one connection's requests.
    async fn secured(
        self: Arc<Self>,
        mut stream: TcpStream,
        peer: SocketAddr,
        watcher: Watcher,
        closing: CancellationToken,
    ) {
        let Some(tls) = &self.tls else { return };
        let patience = self.patience();
        let handshake = async {
            if is_plain_http(&stream).await? {
                return refuse_plain_http(&mut stream).await.map(|()| None);
            }
            tls.acceptor().accept(StallGuard::new(stream, patience)).await.map(Some)
        };
        // Nobody has asked for anything yet: a server that stops does not wait.
        let stream = match closing.run_until_cancelled(timeout(patience, handshake)).await {
            Some(Ok(Ok(Some(stream)))) => stream,
            Some(Ok(Err(error))) => return tracing::debug!(%error, "a TLS handshake failed"),
            Some(Ok(Ok(None)) | Err(_)) | None => return,
        };
        let secure =
            Secure { door: Arc::clone(&self.door), peer: Peer { address: peer.ip(), tls: true }, hsts: tls.hsts() };
        if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) {
            secure.http2(stream, patience, closing).await;
            drop(watcher);
        } else {
            let service = service_fn(move |request| {
                let secure = secure.clone();
                async move { Ok::<_, Infallible>(secure.answer(request).await) }
            });
            let connection = http1(patience).serve_connection(TokioIo::new(stream), service);
            tell_of(watcher.watch(connection).await);
        }
    }
}

/// What is open, and how it ends.
#[derive(Default)]
pub(super) struct OpenConnections {
    graceful: GracefulShutdown,
    /// Ends when no more is accepted.
    closing: CancellationToken,
    cut_off: CancellationToken,
}

impl OpenConnections {
    /// Lets what is in flight end. Gives whether it did in time; what did not is cut off.
    pub(super) async fn ended_within(self, patience: Duration) -> bool {
        let ended = timeout(patience, self.graceful.shutdown()).await.is_ok();
        self.cut_off.cancel();
        ended
    }
}

fn http1(patience: Duration) -> http1::Builder {
    let mut http = http1::Builder::new();
    // The timer runs while a connection waits for a request's head, so it ends idle connections as well.
    http.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(BUFFER_BYTES_MAX as usize);
    http
}

/// HTTP/2 within limits. What clients make of many streams that they reset at once, hyper counts and ends itself.
fn http2(patience: Duration) -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(BUFFER_BYTES_MAX)
        .initial_stream_window_size(AHEAD_BYTES_MAX)
        .initial_connection_window_size(AHEAD_BYTES_MAX)
        .max_send_buf_size(BUFFER_BYTES_MAX as usize)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(patience);
    http
}

/// One connection over TLS.
#[derive(Clone)]
struct Secure {
    door: Arc<Door>,
    peer: Peer,
    hsts: Option<HeaderValue>,
}

impl Secure {
    async fn answer(&self, request: hyper::Request<Incoming>) -> Response {
        let mut response = self.door.answer(request, self.peer).await;
        if let Some(hsts) = &self.hsts {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        response
    }

    async fn http2(self, stream: TlsStream<StallGuard>, patience: Duration, closing: CancellationToken) {
        let activity = Arc::new(Activity::default());
        let watched = Arc::clone(&activity);
        let service = service_fn(move |mut request| {
            let (secure, open) = (self.clone(), watched.begin());
            async move {
                name_host(&mut request);
                let response = secure.answer(request).await;
                Ok::<_, Infallible>(response.map(|body| open.watch(body)))
            }
        });
        let mut connection = pin!(http2(patience).serve_connection(TokioIo::new(stream), service));
        let (mut is_ending, mut seen) = (false, 0);
        let mut look = pin!(sleep(patience));
        loop {
            tokio::select! {
                ended = connection.as_mut() => return tell_of(ended),
                () = closing.cancelled(), if !is_ending => {
                    connection.as_mut().graceful_shutdown();
                    is_ending = true;
                }
                () = look.as_mut() => {
                    look.as_mut().reset(tokio::time::Instant::now() + patience);
                    let (mood, steps) = activity.look(seen);
                    seen = steps;
                    match mood {
                        Mood::Busy => {}
                        Mood::Idle if !is_ending => {
                            connection.as_mut().graceful_shutdown();
                            is_ending = true;
                        }
                        Mood::Idle | Mood::Deaf => return,
                    }
                }
            }
        }
    }
}

/// Names the host that is asked where HTTP/1 does: HTTP/2 has it in `:authority`, which counts for more than a `Host`
/// (RFC 9113, section 8.3.1).
fn name_host(request: &mut hyper::Request<Incoming>) {
    let authority = request.uri().authority().and_then(|authority| HeaderValue::try_from(authority.as_str()).ok());
    if let Some(host) = authority {
        request.headers_mut().insert(HOST, host);
    }
}

/// Whether a client's first byte is that of an HTTP request's line rather than of a TLS record.
async fn is_plain_http(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase())
}

/// Tells a client of plain HTTP what is spoken here.
async fn refuse_plain_http(stream: &mut TcpStream) -> io::Result<()> {
    // What has come is read first: a connection that is closed over unread bytes takes its last answer with it.
    let mut sink = [0; 4_096];
    while stream.try_read(&mut sink).is_ok_and(|read| read == sink.len()) {}
    stream.write_all(PLAIN_HTTP_ANSWER).await?;
    stream.shutdown().await
}

/// Clients that vanish or send no HTTP are their own affair; their addresses are nobody's.
fn tell_of(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Whether accepting failed because the client was gone already.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
