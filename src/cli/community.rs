//! A generated community, from the seed to the activity room.

use crate::activity::{self, DeedKind, PostDraft, SeedCounts, Seeded};
use crate::app::App;
use crate::kernel::error::{Error, Kind, Text};
use crate::kernel::ids::UserId;
use crate::seed::community::{Community, Deed, Period, What};
use crate::seed::texts::Texts;

/// The fewest that are a community.
const MEMBERS_MIN: usize = 2;
/// How long the community has been there when it is seeded: 30 days.
const AGE_SECONDS: i64 = 30 * 86_400;
/// The first of so many parts of that time is for follows, the rest for posts.
const FOLLOWS_PART: u64 = 10;
/// Members whose follows are written in one transaction.
const MEMBERS_PER_COMMIT: usize = 1_000;
/// Posts that are written in one transaction with what comes of them: others get their turn at the writer several times a
/// second.
const POSTS_PER_COMMIT: u32 = 1_000;

/// Makes sure that the community of `seed` has `posts` posts by those who are there, with follows, comments and likes; what
/// is there already stays as it is. Tells `on_posts` of every few.
///
/// # Errors
/// `too_few_members`; what the rooms refuse.
pub(super) async fn add_community(
    app: &App,
    (seed, texts): (u64, Texts),
    posts: u32,
    mut on_posts: impl FnMut(u32),
) -> Result<SeedCounts, Error> {
    let (mut seeded, last_at) = app.activity.seeded(seed).await?;
    on_posts(seeded.posts.min(posts));
    let mut counts = SeedCounts::default();
    if seeded.posts >= posts {
        return Ok(counts);
    }
    let users = app.users.active().await?;
    if users.len() < MEMBERS_MIN {
        return Err(too_few_members());
    }
    let now = app.clock.now();
    let born = now.plus_seconds(-AGE_SECONDS);
    // After everything that is there, so that what came later has the higher number.
    let period = Period { from: last_at.map_or(born, |last| last.max(born)).min(now), to: now };
    let community = Community::new(seed, texts, &users);

    let newcomers: Vec<UserId> = users.into_iter().filter(|user| *user > seeded.member).collect();
    let (follows, some_posts) = (period.part(0..1, FOLLOWS_PART), period.part(1..FOLLOWS_PART, FOLLOWS_PART));
    let mut done = 0;
    for some in newcomers.chunks(MEMBERS_PER_COMMIT) {
        let part = follows.part(done..done + some.len() as u64, newcomers.len() as u64);
        done += some.len() as u64;
        let after = Seeded { member: some.last().copied().unwrap_or(seeded.member), ..seeded };
        counts += write(app, seed, (&mut seeded, after), community.follows(some, part)).await?;
    }
    let first = seeded.posts;
    while seeded.posts < posts {
        let wave = seeded.posts..posts.min(seeded.posts + POSTS_PER_COMMIT);
        let part = u64::from(wave.start - first)..u64::from(wave.end - first);
        let deeds = community.wave(wave.clone(), some_posts.part(part, u64::from(posts - first)));
        let after = Seeded { posts: wave.end, ..seeded };
        counts += write(app, seed, (&mut seeded, after), deeds).await?;
        on_posts(wave.end - wave.start);
    }
    Ok(counts)
}

async fn write(
    app: &App,
    seed: u64,
    (seeded, after): (&mut Seeded, Seeded),
    deeds: Vec<Deed>,
) -> Result<SeedCounts, Error> {
    let deeds = deeds.into_iter().map(deed).collect();
    let counts = app.activity.add_seeded(seed, (*seeded, after), deeds).await?;
    *seeded = after;
    Ok(counts)
}

/// A deed in the words of the activity room.
fn deed(Deed { actor, at, what }: Deed) -> activity::Deed {
    let kind = match what {
        What::Follow(followee) => DeedKind::Follow(followee),
        What::Post { title, content } => DeedKind::Post(PostDraft { title: Some(title), content: Some(content) }),
        What::Comment { number, post, content } => DeedKind::Comment { number, post, content },
        What::LikePost(post) => DeedKind::LikePost(post),
        What::LikeComment(number) => DeedKind::LikeComment(number),
    };
    activity::Deed { actor, at, kind }
}

fn too_few_members() -> Error {
    let detail = Text::fixed(
        "A community takes at least two active users.",
        "커뮤니티에는 활성 사용자가 두 명 이상 필요합니다.",
    );
    Error::new(Kind::Conflict, "too_few_members", detail)
}
