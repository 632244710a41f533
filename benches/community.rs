//! How fast the community is, as ratios within one run: `cargo bench --bench community`.
//!
//! Two databases with 10,000 users and 100,000 follows, one with 1,000 posts and one with 1,000,000, each served by
//! `preorder serve` in a process of its own. A page is asked for by somebody who follows 100 authors and is followed by
//! them. Before each page that is timed something is committed: either something that does not concern the page, or
//! something that makes every page forgotten, so that it is read from the database. The databases take turns.
//!
//! The rates are medians of interleaved rounds over 256 connections, with a client that writes ready-made bytes.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where it fails")]

#[expect(dead_code, reason = "what the benchmarks share is not all for this one")]
mod support;

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rusqlite::{Connection, Transaction, params};

use self::support::{Client, Make, ROUNDS, Server, Shop, is_only_tested, median, rate, request, runtime};

const USERS: i64 = 10_000;
const FOLLOWS: i64 = 100_000;
/// Whom the reader follows and who follows the reader; they write a hundredth of all posts, or all of 1,000.
const CIRCLE: i64 = 100;
const PAGE: usize = 50;
const PAGES_TIMED: usize = 200;
/// The first of the users who like while likes are counted, and how many of them each of the two rates has.
const FANS: usize = 5_000;
const FANS_EACH: usize = 2_500;

fn main() {
    if is_only_tested() {
        return;
    }
    let (small, large) = (Town::make(1_000), Town::make(1_000_000));
    let servers = (small.serve().0, large.serve().0);
    runtime().block_on(async {
        pages([(&small, &servers.0), (&large, &servers.1)]).await;
        rates(&large, &servers.1).await;
    });
    drop(servers);
    small.audit();
    large.audit();
}

/// Times pages, as readers of a lively community get them and as they are read from the database.
async fn pages(towns: [(&Town, &Server); 2]) {
    println!("| page | 1,000 posts | 1,000,000 posts | ratio | read, 1,000 posts | read, 1,000,000 posts | ratio |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for path in [
        "/newsfeeds?type=all&sort=date",
        "/newsfeeds?type=all&sort=like",
        "/newsfeeds?type=follow&sort=date",
        "/newsfeeds?type=follow&sort=like",
        "/newsfeeds/my-following?",
        "/newsfeeds/my-follower?",
        "/newsfeeds/my-post-alarm?",
    ] {
        for number in [1, PAGE] {
            let mut clients = Vec::new();
            for (town, server) in towns {
                let mut client = Client::connect(server).await;
                let page = town.page(&mut client, path, number).await;
                clients.push((town, client, page));
            }
            print!("| `{path}`, page {number} ");
            for stir in [Town::stir_elsewhere, Town::stir_everything] {
                let mut timed = [Vec::new(), Vec::new()];
                for round in 0..PAGES_TIMED {
                    for ((town, client, page), timed) in clients.iter_mut().zip(&mut timed) {
                        client.ask(&stir(town, round)).await;
                        let began = Instant::now();
                        client.ask(page).await;
                        timed.push(began.elapsed().as_secs_f64() * 1e6);
                    }
                }
                let [small, large] = timed.map(|times| median(&times));
                print!("| {small:.0} µs | {large:.0} µs | {:.2} ", large / small);
            }
            println!("|");
        }
    }
}

async fn rates(town: &Town, server: &Server) {
    let get = |path: &str, token: &str| request("GET", path, token, "", "");
    let health: Vec<_> = vec![get("/healthz", &town.tokens[0])];
    let feed: Vec<_> = town.tokens[..1_000].iter().map(|token| get("/newsfeeds", token)).collect();
    let follow: Vec<_> = town.tokens[..1_000].iter().map(|token| get("/newsfeeds?type=follow", token)).collect();
    let buy = town.tokens[..1_000].iter();
    let buy = buy.map(|token| request("POST", "/payments/pre-order", token, "", r#"{"productId":"hot"}"#)).collect();
    let fixed = |requests: Vec<Vec<u8>>| move |number: usize| requests[number % requests.len()].clone();
    let (health, feed, follow, buy) = (fixed(health), fixed(feed), fixed(follow), fixed(buy));
    let tokens = town.tokens.clone();
    // Every like is new, on a post of its own: no page of the database serves two of them.
    let (liked, posts) = (AtomicUsize::new(0), usize::try_from(town.posts).unwrap());
    let like = move |_: usize| {
        let number = liked.fetch_add(1, Ordering::Relaxed);
        let post = (number.wrapping_mul(7_919_017) % posts) + 1;
        request("PUT", &format!("/activity/posts/{post}/like"), &tokens[FANS + number % FANS_EACH], "", "")
    };
    let (tokens, skewed) = (town.tokens.clone(), Mutex::new(Skewed::over(posts)));
    let like_skewed = move |_: usize| {
        let (post, fan) = skewed.lock().unwrap().next();
        request("PUT", &format!("/activity/posts/{post}/like"), &tokens[FANS + FANS_EACH + fan], "", "")
    };
    let requests: [(&str, Make, u16); 6] = [
        ("/healthz", Arc::new(health), 200),
        ("feed of all", Arc::new(feed), 200),
        ("feed of followed", Arc::new(follow), 200),
        ("purchases", Arc::new(buy), 201),
        ("likes", Arc::new(like), 200),
        ("skewed likes", Arc::new(like_skewed), 200),
    ];
    let mut rates = vec![Vec::new(); requests.len()];
    for round in 1..=ROUNDS {
        for ((_, make, status), rates) in requests.iter().zip(&mut rates) {
            rates.push(rate(server, Arc::clone(make), *status).await);
        }
        let of = |index: usize| rates[index][round - 1];
        println!(
            "round {round}: {:.0} /healthz/s, {:.0} feeds/s, {:.0} followed feeds/s, {:.0} purchases/s, {:.0} likes/s, \
             {:.0} skewed likes/s",
            of(0),
            of(1),
            of(2),
            of(3),
            of(4),
            of(5)
        );
    }
    let [health, feed, follow, buy, like, skewed] = [0, 1, 2, 3, 4, 5].map(|index| median(&rates[index]));
    println!("feed pages of all ÷ /healthz: {:.2} ({feed:.0} ÷ {health:.0})", feed / health);
    println!("feed pages of followed ÷ /healthz: {:.2} ({follow:.0} ÷ {health:.0})", follow / health);
    println!("likes ÷ durable purchases: {:.2} ({like:.0} ÷ {buy:.0})", like / buy);
    println!("skewed likes ÷ durable purchases: {:.2} ({skewed:.0} ÷ {buy:.0})", skewed / buy);
}

/// New likes, most of them on few posts: the chance of a post is about the inverse of its number (Zipf's law).
struct Skewed {
    likes: Vec<usize>,
    state: u64,
}

impl Skewed {
    fn over(posts: usize) -> Self {
        Self { likes: vec![0; posts], state: 1 }
    }

    /// A post, and which fan likes it for the first time; when all do, the next post.
    fn next(&mut self) -> (usize, usize) {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "chance"
        )]
        let mut post = {
            let chance = (self.state >> 11) as f64 / (1_u64 << 53) as f64;
            (self.likes.len() as f64).powf(chance) as usize - 1
        };
        while self.likes[post] == FANS_EACH {
            post += 1;
        }
        self.likes[post] += 1;
        (post + 1, self.likes[post] - 1)
    }
}

/// A database with a community and a product to buy.
struct Town {
    shop: Shop,
    posts: i64,
}

impl Deref for Town {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}

impl Town {
    fn make(posts: i64) -> Self {
        let shop = Shop::make(USERS, |shop| {
            shop.sell("hot", "500000000", &[]);
            fill(&mut Connection::open(shop.database()).unwrap(), posts);
        });
        Self { shop, posts }
    }

    /// The reader's request for a page, found by paging there.
    async fn page(&self, client: &mut Client, path: &str, number: usize) -> Vec<u8> {
        let mut next = path.to_owned();
        for _ in 1..number {
            let answer = client.ask(&request("GET", &next, &self.tokens[0], "", "")).await;
            let body = answer.split_once("\r\n\r\n").unwrap().1;
            let page: serde_json::Value = serde_json::from_str(body).unwrap();
            next = format!("{path}&cursor={}", page["nextCursor"].as_str().expect("there are as many pages"));
        }
        request("GET", &next, &self.tokens[0], "", "")
    }

    /// A commit that makes every page forgotten: somebody changes their profile.
    fn stir_everything(&self, round: usize) -> Vec<u8> {
        let token = &self.tokens[usize::try_from(USERS).unwrap() - 1];
        request("PATCH", "/users/me", token, "", &format!(r#"{{"greeting":"{round}"}}"#))
    }

    /// A commit that the page does not show: somebody outside the circle follows somebody, or follows them no more.
    fn stir_elsewhere(&self, round: usize) -> Vec<u8> {
        let method = if round.is_multiple_of(2) { "PUT" } else { "DELETE" };
        request(
            method,
            &format!("/activity/follows/{}", USERS - 1),
            &self.tokens[usize::try_from(USERS).unwrap() - 1],
            "",
            "",
        )
    }
}

/// Writes the community as its room would have: rows, counts and log. User 1 is the reader, the next 100 the circle.
fn fill(connection: &mut Connection, posts: i64) {
    let town = connection.transaction().unwrap();
    let mut log = Log { town: &town, last: 0 };
    // The circle writes the same share of what the reader sees in both towns: all of 1,000 posts, a hundredth of a million.
    let authors = if posts > 1_000 { USERS - CIRCLE } else { CIRCLE };
    let content = "오늘 예약 구매에 성공했어요. I never thought that I would get one! ".repeat(4);
    let mut insert = town
        .prepare(
            "INSERT INTO posts (id, author_id, created_at, updated_at, title, content) VALUES (?1, ?2, ?1, ?1, ?3, ?4)",
        )
        .unwrap();
    let counts = "INSERT INTO post_counts_filed (post_id, author_id, like_count, comment_count) VALUES (?1, ?2, ?3, 0)";
    let mut count = town.prepare(counts).unwrap();
    let mut like =
        town.prepare("INSERT INTO post_likes_filed (user_id, post_id, activity_id) VALUES (?1, ?2, ?3)").unwrap();
    for post in 1..=posts {
        // The reader's one post has the likes that fill the list of what happened on it.
        let (author, likes) = match post {
            1 => (1, 1_500),
            _ if post % 100 == 0 => (post % authors + 2, 20 + post % 7),
            _ => (post % authors + 2, if post % 10 == 0 { post % 4 } else { 0 }),
        };
        insert.execute(params![post, author, format!("Post {post}"), content]).unwrap();
        count.execute([post, author, likes]).unwrap();
        log.write("write_post", author, author, Some((post, author)));
        for fan in 1..=likes {
            // Users from 5,001 on have no likes yet: they give them while likes are counted.
            let fan = fan + 200;
            let activity = log.write("like_post", fan, author, Some((post, author)));
            like.execute([fan, post, activity]).unwrap();
        }
    }
    let mut follow =
        town.prepare("INSERT INTO follows (follower_id, followee_id, activity_id) VALUES (?1, ?2, ?3)").unwrap();
    let mut pair = |follower: i64, followee: i64| {
        let activity = log.write("follow", follower, followee, None);
        follow.execute([follower, followee, activity]).unwrap();
    };
    for member in 2..2 + CIRCLE {
        pair(1, member);
        pair(member, 1);
    }
    for number in 0..FOLLOWS {
        let follower = number % (USERS - 200) + 150;
        let followee = (follower + 1 + number / (USERS - 200)) % (USERS - 200) + 150;
        pair(follower, followee);
    }
    drop((insert, count, like, follow));
    town.execute_batch(
        "INSERT INTO activities_by_actor (actor_id, activity_id) SELECT actor_id, id FROM activities ORDER BY actor_id, id;
         INSERT INTO activities_on_posts (post_author_id, activity_id)
             SELECT post_author_id, id FROM activities WHERE post_author_id IS NOT NULL ORDER BY post_author_id, id;
         INSERT INTO user_counts (user_id, posts, followers, following) SELECT u.id,
             (SELECT COUNT(*) FROM posts WHERE author_id = u.id AND deleted_at IS NULL),
             (SELECT COUNT(*) FROM follows WHERE followee_id = u.id),
             (SELECT COUNT(*) FROM follows WHERE follower_id = u.id) FROM users u;",
    )
    .unwrap();
    town.commit().unwrap();
}

struct Log<'a> {
    town: &'a Transaction<'a>,
    last: i64,
}

impl Log<'_> {
    fn write(&mut self, kind: &str, actor: i64, recipient: i64, post: Option<(i64, i64)>) -> i64 {
        self.last += 1;
        let owner = post.map(|(_, author)| author).filter(|author| *author != actor);
        let sql = "INSERT INTO activities (id, actor_id, recipient_id, post_author_id, type, post_id, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?1)";
        let values = params![self.last, actor, recipient, owner, kind, post.map(|(post, _)| post)];
        self.town.prepare_cached(sql).unwrap().execute(values).unwrap();
        self.last
    }
}
