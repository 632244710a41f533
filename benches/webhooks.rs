//! What webhooks cost a sale, as ratios within one run: `cargo bench --bench webhooks`.
//!
//! Two servers on a database each: nobody is told of the orders of one, and 100 targets of those of the other, at which
//! every request hangs until its time is over. Rounds of purchases alternate between the two. And, for comparison, a
//! third one with a single target that takes everything at once.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where it fails")]

#[expect(dead_code, reason = "what the benchmarks share is not all for this one")]
mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::support::{ROUNDS, Server, Shop, is_only_tested, median, rate, request, runtime};

const BUYERS: i64 = 1_000;
const TARGETS: usize = 100;
/// Rounds are short, and the ratio is near 1: more of them than elsewhere.
const TURNS: usize = 2 * ROUNDS;

fn main() {
    if is_only_tested() {
        return;
    }
    let (hanging, asked) = receiver(false);
    let (taking, taken) = receiver(true);
    let (nobody, slow, fast) = (shop(hanging, 0), shop(hanging, TARGETS), shop(taking, 1));
    let servers = [&nobody, &slow, &fast].map(|shop| shop.serve().0);
    let mut rates = [const { Vec::new() }; 3];
    let runtime = runtime();
    for turn in 1..=TURNS {
        for ((shop, server), rates) in [&nobody, &slow, &fast].iter().zip(&servers).zip(&mut rates) {
            rates.push(runtime.block_on(purchases(shop, server)));
        }
        let last: Vec<_> = rates.iter().map(|rates| rates[turn - 1]).collect();
        println!(
            "round {turn}: {:.0} purchases/s, {:.0} with {TARGETS} slow targets, {:.0} with a fast one",
            last[0], last[1], last[2]
        );
    }
    let [alone, slow_rate, fast_rate] = rates.map(|rates| median(&rates));
    println!("purchases with {TARGETS} slow targets ÷ without: {:.3} ({slow_rate:.0} ÷ {alone:.0})", slow_rate / alone);
    println!("purchases with a fast target ÷ without: {:.3} ({fast_rate:.0} ÷ {alone:.0})", fast_rate / alone);
    let (asked, taken) = (asked.load(Ordering::Relaxed), taken.load(Ordering::Relaxed));
    println!("the slow targets were asked {asked} times; the fast one took {taken} events");
    assert!(asked >= TARGETS && taken > 0, "nobody was told");
    drop(servers);
    for shop in [nobody, slow, fast] {
        shop.audit();
    }
}

/// A database of buyers, and so many targets.
fn shop(target: SocketAddr, targets: usize) -> Shop {
    Shop::make(BUYERS, |shop| {
        std::fs::write(shop.folder().join("preorder.toml"), "[webhooks]\nallow_private = true\n").unwrap();
        shop.sell("hot", "500000000", &[]);
        for number in 0..targets {
            shop.run(&["webhook", "add", &format!("http://{target}/{number}")]);
        }
    })
}

async fn purchases(shop: &Shop, server: &Server) -> f64 {
    let buy = |token: &String| request("POST", "/payments/pre-order", token, "", r#"{"productId":"hot"}"#);
    let requests: Vec<_> = shop.tokens.iter().map(buy).collect();
    let make: support::Make = Arc::new(move |number| requests[number % requests.len()].clone());
    rate(server, make, 201).await
}

/// A server that takes every request at once, or hangs; and how many it was sent.
fn receiver(takes: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let counted = Arc::clone(&counted);
            // Hundreds of them, all of which sleep.
            std::thread::Builder::new().stack_size(65_536).spawn(move || serve(stream, takes, &counted)).unwrap();
        }
    });
    (address, count)
}

fn serve(stream: TcpStream, takes: bool, count: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::with_capacity(4_096, stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let (mut length, mut line) = (0_u64, String::new());
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let header = line.to_ascii_lowercase();
            length = header.strip_prefix("content-length: ").and_then(|it| it.trim().parse().ok()).unwrap_or(length);
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).ok()?;
        count.fetch_add(1, Ordering::Relaxed);
        if takes {
            writer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
        }
    }
}
