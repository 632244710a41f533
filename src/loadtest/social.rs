//! A visitor in the community: reads the newsfeed, and writes, likes and follows.

use form_urlencoded::byte_serialize;
use goose::goose::GooseMethod;

use super::answer::{Answer, Ask, FeedPost};
use super::journey::Visit;
use super::scenario::Step;
use super::talk::Deed;

/// What visitors browse: of ten, six read the latest posts, two the most liked, two those of whom they follow.
const FEEDS: [&str; 10] = [
    "type=all&sort=date",
    "type=all&sort=date",
    "type=all&sort=date",
    "type=all&sort=date",
    "type=all&sort=date",
    "type=all&sort=date",
    "type=all&sort=like",
    "type=all&sort=like",
    "type=follow&sort=date",
    "type=follow&sort=date",
];

// Nothing that JSON would have to escape.
const TITLES: [&str; 4] = ["Who else is waiting?", "오늘 판매 기다리는 분?", "Sold out already?", "드디어 샀습니다!"];
const CONTENTS: [&str; 4] = [
    "I have the page open and a card in my hand.",
    "알림 맞춰 두고 기다리는 중입니다. 모두 성공하세요 🙌",
    "It says one for each buyer, which is only fair.",
    "결제까지 3초 걸렸네요. 후기 남기겠습니다.",
];
const COMMENTS: [&str; 4] = ["Congratulations!", "축하드려요!", "Same here.", "저도 기다리고 있어요 🙂"];

/// What a visitor has before the eyes.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The posts of the last page.
    posts: Vec<FeedPost>,
    /// Where the page after it is.
    next: Option<String>,
}

impl Visit<'_> {
    /// Takes one social step. Who has no page before the eyes browses first; who finds nothing there does nothing.
    pub(super) async fn socialize(&mut self, step: Step, index: usize) {
        match step {
            Step::Browse => self.browse(index).await,
            Step::Post => {
                let (title, content) = (self.pick(index, &TITLES), self.pick(index + 1, &CONTENTS));
                let body = format!(r#"{{"title":"{title}","content":"{content}"}}"#);
                self.post(Ask::Write(Deed::Post), "/activity/posts", Some(body)).await;
                // Whoever wrote wants to see it: the newsfeed from its start.
                self.reading = Reading::default();
            }
            _ => {
                if self.reading.posts.is_empty() {
                    self.browse(index).await;
                }
                self.react(step, index).await;
            }
        }
    }

    async fn browse(&mut self, index: usize) {
        let path = self.reading.next.take().unwrap_or_else(|| format!("/newsfeeds?{}", self.pick(index, &FEEDS)));
        if let Answer::Feed(posts, cursor) = self.fetch(Ask::Feed, GooseMethod::Get, &path, None).await {
            let feed = path.split("&cursor=").next().unwrap_or_default();
            let after =
                |cursor: String| format!("{feed}&cursor={}", byte_serialize(cursor.as_bytes()).collect::<String>());
            self.reading = Reading { posts, next: cursor.map(after) };
        }
    }

    async fn react(&mut self, step: Step, index: usize) {
        // Nobody follows themselves.
        let of_others = |post: &FeedPost| step != Step::Follow || post.writer != self.user_id().0;
        let posts: Vec<FeedPost> = self.reading.posts.iter().copied().filter(of_others).collect();
        let Some(FeedPost { id, writer }) = posts.get(self.choice(index, posts.len())).copied() else { return };
        match step {
            Step::Like => self.put(Ask::Mark(Deed::Like, id), &format!("/activity/posts/{id}/like")).await,
            Step::Follow => self.put(Ask::Mark(Deed::Follow, writer), &format!("/activity/follows/{writer}")).await,
            Step::Comment => {
                let body = format!(r#"{{"content":"{}"}}"#, self.pick(index, &COMMENTS));
                self.post(Ask::Write(Deed::Comment), &format!("/activity/posts/{id}/comments"), Some(body)).await;
            }
            _ => {
                self.get(&format!("/activity/posts/{id}")).await;
                self.get(&format!("/activity/posts/{id}/comments")).await;
            }
        }
    }

    async fn put(&mut self, ask: Ask, path: &str) {
        self.fetch(ask, GooseMethod::Put, path, None).await;
    }

    fn pick<'a>(&self, index: usize, from: &[&'a str]) -> &'a str {
        from[self.choice(index, from.len())]
    }
}
