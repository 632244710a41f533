//! The audit: proves every count and the log from the rows alone. Like the ledger's it shares nothing with the rules.

use crate::kernel::error::Error;
use crate::store::Conn;
use crate::store::proof::{Check, Invariant, prove};

// Of somebody whose erasure was cut short, a part of the log is gone; what is left adds up once it is ended.
const INVARIANTS: &[Invariant] = &[
    (
        "likes_give_the_counts",
        "the likes that a post or a comment shows are its rows",
        "SELECT 'post ' || k.post_id FROM post_counts k LEFT JOIN (SELECT post_id, COUNT(*) AS n FROM post_likes \
         GROUP BY post_id) l ON l.post_id = k.post_id WHERE k.like_count <> COALESCE(l.n, 0) \
         UNION ALL SELECT 'comment ' || c.id FROM comments c LEFT JOIN (SELECT comment_id, COUNT(*) AS n FROM comment_likes \
         GROUP BY comment_id) l ON l.comment_id = c.id WHERE c.like_count <> COALESCE(l.n, 0)",
    ),
    (
        "comments_give_the_counts",
        "the comments that a post shows are its rows",
        "SELECT 'post ' || k.post_id FROM post_counts k LEFT JOIN (SELECT post_id, COUNT(*) AS n FROM comments \
         WHERE deleted_at IS NULL GROUP BY post_id) c ON c.post_id = k.post_id WHERE k.comment_count <> COALESCE(c.n, 0)",
    ),
    (
        "posts_have_their_counts",
        "every post that was not deleted has its counts under its author, and nothing else has",
        "SELECT 'post ' || p.id FROM posts p LEFT JOIN post_counts_filed k ON k.post_id = p.id \
         LEFT JOIN post_counts_unfiled n ON n.post_id = p.id \
         WHERE CASE WHEN p.deleted_at IS NULL THEN k.post_id IS NULL OR k.author_id <> p.author_id \
         OR COALESCE(n.author_id, p.author_id) <> p.author_id ELSE k.post_id IS NOT NULL OR n.post_id IS NOT NULL END \
         UNION ALL SELECT 'post ' || k.post_id FROM post_counts k LEFT JOIN posts p ON p.id = k.post_id WHERE p.id IS NULL",
    ),
    (
        "posts_and_follows_give_the_counts",
        "the posts, followers and followed that a user shows are rows",
        "SELECT 'user ' || u.id FROM users u LEFT JOIN user_counts k ON k.user_id = u.id \
         LEFT JOIN (SELECT author_id, COUNT(*) AS n FROM posts WHERE deleted_at IS NULL GROUP BY author_id) p \
         ON p.author_id = u.id \
         LEFT JOIN (SELECT followee_id, COUNT(*) AS n FROM follows GROUP BY followee_id) r ON r.followee_id = u.id \
         LEFT JOIN (SELECT follower_id, COUNT(*) AS n FROM follows GROUP BY follower_id) g ON g.follower_id = u.id \
         WHERE COALESCE(k.posts, 0) <> COALESCE(p.n, 0) OR COALESCE(k.followers, 0) <> COALESCE(r.n, 0) \
         OR COALESCE(k.following, 0) <> COALESCE(g.n, 0)",
    ),
    (
        "likes_and_follows_are_logged",
        "every like and every follow names the activity that began it",
        "SELECT 'user ' || l.user_id || ' post ' || l.post_id FROM post_likes l LEFT JOIN activities a \
         ON a.id = l.activity_id AND a.type = 'like_post' AND a.actor_id = l.user_id AND a.post_id = l.post_id \
         LEFT JOIN posts p ON p.id = l.post_id WHERE a.id IS NULL OR p.id IS NULL \
         UNION ALL SELECT 'user ' || l.user_id || ' comment ' || l.comment_id FROM comment_likes l LEFT JOIN activities a \
         ON a.id = l.activity_id AND a.type = 'like_comment' AND a.actor_id = l.user_id AND a.comment_id = l.comment_id \
         LEFT JOIN comments c ON c.id = l.comment_id WHERE a.id IS NULL OR c.id IS NULL \
         UNION ALL SELECT 'user ' || f.follower_id || ' user ' || f.followee_id FROM follows f LEFT JOIN activities a \
         ON a.id = f.activity_id AND a.type = 'follow' AND a.actor_id = f.follower_id AND a.recipient_id = f.followee_id \
         WHERE a.id IS NULL",
    ),
    (
        "the_log_gives_the_likes_and_follows",
        "what was begun and not cancelled is there, and nothing was begun or cancelled twice",
        "SELECT 'user ' || a.actor_id || ' post ' || a.post_id FROM (SELECT actor_id, post_id, \
         SUM(CASE WHEN type = 'like_post' THEN 1 ELSE -1 END) AS n FROM activities \
         WHERE type IN ('like_post', 'cancel_like_post') AND actor_id NOT IN (SELECT user_id FROM erasures WHERE ended_at IS NULL) \
         GROUP BY actor_id, post_id) a \
         LEFT JOIN post_likes l ON l.user_id = a.actor_id AND l.post_id = a.post_id \
         WHERE a.n <> CASE WHEN l.user_id IS NULL THEN 0 ELSE 1 END \
         UNION ALL SELECT 'user ' || a.actor_id || ' comment ' || a.comment_id FROM (SELECT actor_id, comment_id, \
         SUM(CASE WHEN type = 'like_comment' THEN 1 ELSE -1 END) AS n FROM activities \
         WHERE type IN ('like_comment', 'cancel_like_comment') AND actor_id NOT IN (SELECT user_id FROM erasures WHERE ended_at IS NULL) \
         GROUP BY actor_id, comment_id) a \
         LEFT JOIN comment_likes l ON l.user_id = a.actor_id AND l.comment_id = a.comment_id \
         WHERE a.n <> CASE WHEN l.user_id IS NULL THEN 0 ELSE 1 END \
         UNION ALL SELECT 'user ' || a.actor_id || ' user ' || a.recipient_id FROM (SELECT actor_id, recipient_id, \
         SUM(CASE WHEN type = 'follow' THEN 1 ELSE -1 END) AS n FROM activities \
         WHERE type IN ('follow', 'cancel_follow') AND actor_id NOT IN (SELECT user_id FROM erasures WHERE ended_at IS NULL) \
         GROUP BY actor_id, recipient_id) a \
         LEFT JOIN follows f ON f.follower_id = a.actor_id AND f.followee_id = a.recipient_id \
         WHERE a.n <> CASE WHEN f.follower_id IS NULL THEN 0 ELSE 1 END",
    ),
    (
        "what_was_written_is_logged",
        "every post and every comment was written down once, under its author",
        "SELECT 'post ' || p.id FROM posts p LEFT JOIN (SELECT post_id, MIN(actor_id) AS actor, COUNT(*) AS n \
         FROM activities WHERE type = 'write_post' GROUP BY post_id) a ON a.post_id = p.id \
         WHERE a.n IS NULL OR a.n <> 1 OR a.actor <> p.author_id \
         UNION ALL SELECT 'comment ' || c.id FROM comments c LEFT JOIN (SELECT comment_id, MIN(actor_id) AS actor, \
         COUNT(*) AS n FROM activities WHERE type = 'write_comment' GROUP BY comment_id) a ON a.comment_id = c.id \
         WHERE a.n IS NULL OR a.n <> 1 OR a.actor <> c.author_id",
    ),
    (
        "likes_are_filed_once",
        "a like of a post is filed or waits to be, not both",
        "SELECT 'post ' || f.post_id FROM post_likes_unfiled u JOIN post_likes_filed f \
         ON f.user_id = u.user_id AND f.post_id = u.post_id",
    ),
    (
        "activities_are_found",
        "every activity is filed under its people, or waits to be, once, and what waits is younger than what is filed",
        "SELECT 'activity ' || a.id FROM activities a LEFT JOIN (SELECT activity_id, COUNT(*) AS n, MIN(actor_id) AS actor \
         FROM (SELECT activity_id, actor_id FROM activities_by_actor UNION ALL SELECT activity_id, actor_id \
         FROM activities_unfiled) b GROUP BY activity_id) f ON f.activity_id = a.id \
         LEFT JOIN (SELECT activity_id, COUNT(*) AS n, MIN(post_author_id) AS author \
         FROM (SELECT activity_id, post_author_id FROM activities_on_posts UNION ALL SELECT activity_id, post_author_id \
         FROM activities_unfiled WHERE post_author_id IS NOT NULL) b GROUP BY activity_id) o ON o.activity_id = a.id \
         WHERE COALESCE(f.n, 0) <> 1 OR f.actor <> a.actor_id \
         OR COALESCE(o.n, 0) <> (CASE WHEN a.post_author_id IS NULL THEN 0 ELSE 1 END) OR o.author <> a.post_author_id \
         UNION ALL SELECT 'activity ' || f.activity_id FROM (SELECT activity_id FROM activities_by_actor \
         UNION ALL SELECT activity_id FROM activities_on_posts UNION ALL SELECT activity_id FROM activities_unfiled) f \
         LEFT JOIN activities a ON a.id = f.activity_id WHERE a.id IS NULL \
         UNION ALL SELECT 'activity ' || u.activity_id FROM activities_unfiled u \
         WHERE u.activity_id <= (SELECT MAX(activity_id) FROM activities_by_actor)",
    ),
    (
        "activities_name_their_people",
        "an activity's recipient and post are those of what it was about",
        "SELECT 'activity ' || a.id FROM activities a LEFT JOIN posts p ON p.id = a.post_id \
         LEFT JOIN comments c ON c.id = a.comment_id WHERE (a.post_id IS NOT NULL AND p.id IS NULL) \
         OR (a.comment_id IS NOT NULL AND (c.id IS NULL OR c.post_id <> a.post_id)) \
         OR (a.post_id IS NOT NULL AND COALESCE(a.post_author_id, a.actor_id) <> p.author_id) \
         OR (a.post_id IS NULL AND a.post_author_id IS NOT NULL) \
         OR (a.type IN ('like_post', 'cancel_like_post', 'write_post', 'write_comment') AND a.recipient_id <> p.author_id) \
         OR (a.type IN ('like_comment', 'cancel_like_comment') AND a.recipient_id <> c.author_id)",
    ),
];

/// Counts everything again, in one snapshot.
///
/// # Errors
/// When the database can't be read.
pub(super) fn audit(conn: &Conn<'_>) -> Result<Vec<Check>, Error> {
    Ok(prove(conn, INVARIANTS)?)
}
