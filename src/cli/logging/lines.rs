//! The way of the log's lines to stderr.
//!
//! Whoever reads stderr may be slow, or may have stopped reading: a thread that answers requests must not wait for them. So
//! lines go through a bounded queue to a thread of their own; when it is full they are lost, and the log says how many.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::format::Format;

/// Lines that may wait: some megabytes, or a second of a busy server.
const WAITING_MAX: usize = 16_384;
/// Bytes that are written at once, at most by one line more.
const WRITE_BYTES: usize = 65_536;
/// How long the end of the program waits for its log.
const LAST_WAIT: Duration = Duration::from_secs(1);

enum Message {
    Line(Vec<u8>),
    /// Everything before it is to be written.
    Flush(flume::Sender<()>),
}

/// Where lines go.
#[derive(Clone)]
pub(super) struct Lines {
    queue: flume::Sender<Message>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    /// Starts the thread that writes.
    pub(super) fn start(format: Format) -> io::Result<Self> {
        Self::to(io::stderr(), format, WAITING_MAX)
    }

    fn to(reader: impl Write + Send + 'static, format: Format, waiting_max: usize) -> io::Result<Self> {
        let (queue, waiting) = flume::bounded(waiting_max);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let write = move || write(&waiting, reader, &counted, format);
        std::thread::Builder::new().name("log".to_owned()).spawn(write)?;
        Ok(Self { queue, lost })
    }

    /// Waits a moment until everything is written.
    pub(super) fn flush(&self) {
        let (done, written) = flume::bounded(1);
        if self.queue.send_timeout(Message::Flush(done), LAST_WAIT).is_ok() {
            // Whoever does not read the log until now misses its end.
            let _ = written.recv_timeout(LAST_WAIT);
        }
    }
}

/// Takes one whole line at a time, as the formatting layer gives it.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Writes for as long as there is somebody who logs.
fn write(waiting: &flume::Receiver<Message>, mut reader: impl Write, lost: &AtomicU64, format: Format) {
    let mut bytes = Vec::new();
    while let Ok(first) = waiting.recv() {
        let mut asked = Vec::new();
        for message in std::iter::once(first).chain(waiting.try_iter()) {
            match message {
                Message::Line(line) => bytes.extend(line),
                Message::Flush(done) => asked.push(done),
            }
            if bytes.len() >= WRITE_BYTES {
                break;
            }
        }
        if let count @ 1.. = lost.swap(0, Ordering::Relaxed) {
            bytes.extend(format.line_of_lost(count).into_bytes());
        }
        // There is no better place to complain when stderr is gone.
        drop(reader.write_all(&bytes));
        bytes.clear();
        for done in asked {
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_reader_who_stops_holds_up_nobody_and_hears_how_much_is_missing() {
        let (mut reader, writer) = io::pipe().unwrap();
        let lines = Lines::to(writer, Format { json: false, ansi: false }, 16).unwrap();
        let line = [vec![b'x'; 999], vec![b'\n']].concat();
        // More than the pipe and the queue hold: with a writer that waits this would not end.
        for _ in 0..1_000 {
            (&lines).write_all(&line).unwrap();
        }
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        lines.flush();
        drop(lines);
        let text = reading.join().unwrap();
        let whole = text.lines().filter(|line| *line == "x".repeat(999)).count();
        let told = text.lines().filter_map(|line| line.split_once("count=")?.1.parse::<usize>().ok());
        assert_eq!(whole + told.sum::<usize>(), 1_000, "{}", text.replace(&"x".repeat(999), "x"));
        assert!(whole < 1_000);
    }
}
