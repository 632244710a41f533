//! What the tests of the community share: people who write, like and follow.

use preorder::kernel::actor::Role;
use preorder::kernel::ids::UserId;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Asker, TestApp};

/// Somebody signed in, and their number.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) id: i64,
    pub(crate) asker: Asker,
}

impl std::ops::Deref for Member {
    type Target = Asker;

    fn deref(&self) -> &Asker {
        &self.asker
    }
}

/// What is filed in bulk: each when the log's line has this remainder, see `activity::store`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Filed {
    Counts = 5_461,
    Likes = 10_922,
    Lines = 0,
}

impl Filed {
    pub(crate) const ALL: [Self; 3] = [Self::Counts, Self::Likes, Self::Lines];
    const EVERY: i64 = 16_384;
}

impl TestApp {
    /// Moves the log on with two lines of nobody's, so that the next line files something.
    pub(crate) async fn log_until(&self, filed: Filed) {
        let write = self.app.db.write(move |conn| {
            let last = conn.row("SELECT COALESCE(MAX(id), 0) FROM activities", &[], |row| row.int(0))?.unwrap();
            let next = last + 3 + (filed as i64 - last - 3).rem_euclid(Filed::EVERY);
            let lines = [(next - 2, "follow"), (next - 1, "cancel_follow")];
            for (line, kind) in lines {
                let log = format!(
                    "INSERT INTO activities (id, actor_id, recipient_id, type, created_at) \
                     VALUES ({line}, 901, 902, '{kind}', 0)"
                );
                conn.execute(&log, &[])?;
                let note = format!("INSERT INTO activities_unfiled (actor_id, activity_id) VALUES (901, {line})");
                conn.execute(&note, &[])?;
            }
            Ok(())
        });
        write.await.unwrap();
    }

    /// How many rows wait to be filed.
    pub(crate) async fn unfiled(&self, filed: Filed) -> i64 {
        let table = match filed {
            Filed::Counts => "post_counts_unfiled",
            Filed::Likes => "post_likes_unfiled",
            Filed::Lines => "activities_unfiled",
        };
        let sql = format!("SELECT COUNT(*) FROM {table}");
        self.app.db.read(move |conn| Ok(conn.row(&sql, &[], |row| row.int(0))?)).await.unwrap().unwrap()
    }

    /// A member `name`.
    pub(crate) async fn member(&self, name: &str) -> Member {
        self.member_with(name, Role::User).await
    }

    pub(crate) async fn member_with(&self, name: &str, role: Role) -> Member {
        let user = self.account(name, role).await.id;
        Member { id: user.0, asker: self.bearer(self.app.users.token(user, None).await.unwrap()) }
    }

    /// A member who is blocked, with the token from before.
    pub(crate) async fn blocked(&self, name: &str) -> Member {
        let member = self.member(name).await;
        self.app.users.block(UserId(member.id)).await.unwrap();
        member
    }
}

impl Asker {
    pub(crate) async fn write(&self, title: &str) -> i64 {
        let post = self.post("/activity/posts", &json!({"title": title, "content": "글"})).await.ok(201);
        number(&post)
    }

    pub(crate) async fn comment(&self, post: i64, content: &str) -> i64 {
        let path = format!("/activity/posts/{post}/comments");
        number(&self.post(&path, &json!({"content": content})).await.ok(201))
    }

    pub(crate) async fn like(&self, post: i64) -> Answer {
        self.does(Method::PUT, &format!("/activity/posts/{post}/like")).await
    }

    pub(crate) async fn unlike(&self, post: i64) -> Answer {
        self.does(Method::DELETE, &format!("/activity/posts/{post}/like")).await
    }

    pub(crate) async fn follow(&self, user: i64) -> Answer {
        self.does(Method::PUT, &format!("/activity/follows/{user}")).await
    }

    pub(crate) async fn unfollow(&self, user: i64) -> Answer {
        self.does(Method::DELETE, &format!("/activity/follows/{user}")).await
    }

    /// A request without a body.
    pub(crate) async fn does(&self, method: Method, path: &str) -> Answer {
        self.send(self.request(method, path)).await
    }

    /// A `PATCH`.
    pub(crate) async fn edit(&self, path: &str, change: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(change)).await
    }

    /// The numbers of a list's first page.
    pub(crate) async fn ids(&self, path: &str) -> Vec<i64> {
        self.get(path).await.ok(200)["items"].as_array().unwrap().iter().map(number).collect()
    }

    /// The words of a list of activities, each with whose they are.
    pub(crate) async fn activities(&self, view: &str) -> Vec<String> {
        let page = self.get(&format!("/newsfeeds/{view}?limit=100")).await.ok(200);
        page["items"].as_array().unwrap().iter().map(told).collect()
    }
}

/// An activity in a few words: `ann like_post`.
pub(crate) fn told(activity: &Value) -> String {
    format!("{} {}", activity["actor"]["name"].as_str().unwrap(), activity["type"].as_str().unwrap())
}

/// A resource's number.
#[track_caller]
pub(crate) fn number(resource: &Value) -> i64 {
    resource["id"].as_i64().unwrap_or_else(|| panic!("no number in {resource}"))
}
