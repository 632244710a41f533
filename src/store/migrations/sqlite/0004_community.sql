-- Posts, comments, likes, follows, and the log of who did what. Times are microseconds since 1970 UTC.
-- A like is the hottest write after a purchase. It touches one row of each of: post_likes, posts (and the two indexes by
-- like_count), activities (and its two indexes); since 0008 to 0010 short tables instead, which are filed in bulk. So the
-- hot tables have no foreign keys and no further index: the audit proves from the rows what a key would have watched. Rows
-- of posts, comments and activities are never removed, so their numbers have no gaps and grow with time.

CREATE TABLE posts (
    id            INTEGER PRIMARY KEY,
    author_id     INTEGER NOT NULL REFERENCES users (id),
    like_count    INTEGER NOT NULL DEFAULT 0 CHECK (like_count >= 0),       -- its rows in post_likes
    comment_count INTEGER NOT NULL DEFAULT 0 CHECK (comment_count >= 0),    -- its comments that were not deleted
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,           -- created_at until the words change
    deleted_at    INTEGER,                    -- its comments, likes and activities stay as rows and are shown nowhere
    title         TEXT NOT NULL,
    content       TEXT NOT NULL               -- last: whoever wants only the counts need not read over it
);
-- The id is part of every index by itself, behind the columns that are named.
CREATE INDEX posts_by_author ON posts (author_id) WHERE deleted_at IS NULL;
CREATE INDEX posts_by_likes ON posts (like_count, id, author_id) WHERE deleted_at IS NULL;
CREATE INDEX posts_by_author_likes ON posts (author_id, like_count) WHERE deleted_at IS NULL;

CREATE TABLE comments (
    id            INTEGER PRIMARY KEY,
    post_id       INTEGER NOT NULL REFERENCES posts (id),
    author_id     INTEGER NOT NULL REFERENCES users (id),
    like_count    INTEGER NOT NULL DEFAULT 0 CHECK (like_count >= 0),       -- its rows in comment_likes
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    deleted_at    INTEGER,
    content       TEXT NOT NULL
);
CREATE INDEX comments_by_post ON comments (post_id) WHERE deleted_at IS NULL;
CREATE INDEX comments_by_author ON comments (author_id) WHERE deleted_at IS NULL;

-- Everything that anybody did, append-only. Likes and follows name the row that began them: it puts them in order.
CREATE TABLE activities (
    id             INTEGER PRIMARY KEY,
    actor_id       INTEGER NOT NULL,
    recipient_id   INTEGER NOT NULL,          -- who was followed; whose post or comment it was; for a new post, its author
    post_author_id INTEGER,                   -- whose post it happened on, unless it was their own doing
    type           TEXT NOT NULL
        CHECK (type = 'like_post' OR type = 'cancel_like_post' OR type = 'write_comment' OR type = 'write_post'
            OR type = 'like_comment' OR type = 'cancel_like_comment' OR type = 'follow' OR type = 'cancel_follow'),
    post_id        INTEGER,                   -- the post; for a comment's activities, the post that it is on
    comment_id     INTEGER,
    created_at     INTEGER NOT NULL
);
CREATE INDEX activities_by_actor ON activities (actor_id);
CREATE INDEX activities_on_posts ON activities (post_author_id) WHERE post_author_id IS NOT NULL;
CREATE TRIGGER activities_stay BEFORE UPDATE ON activities BEGIN SELECT RAISE(ABORT, 'activities are append-only'); END;
CREATE TRIGGER activities_last BEFORE DELETE ON activities BEGIN SELECT RAISE(ABORT, 'activities are append-only'); END;

CREATE TABLE post_likes (
    user_id     INTEGER NOT NULL,
    post_id     INTEGER NOT NULL,
    activity_id INTEGER NOT NULL,             -- its 'like_post'
    PRIMARY KEY (user_id, post_id)
) WITHOUT ROWID;

CREATE TABLE comment_likes (
    user_id     INTEGER NOT NULL,
    comment_id  INTEGER NOT NULL,
    activity_id INTEGER NOT NULL,             -- its 'like_comment'
    PRIMARY KEY (user_id, comment_id)
) WITHOUT ROWID;

CREATE TABLE follows (
    follower_id INTEGER NOT NULL,
    followee_id INTEGER NOT NULL,
    activity_id INTEGER NOT NULL,             -- its 'follow'
    PRIMARY KEY (follower_id, followee_id),
    CHECK (follower_id <> followee_id)
) WITHOUT ROWID;
CREATE INDEX follows_by_follower ON follows (follower_id, activity_id);
CREATE INDEX follows_by_followee ON follows (followee_id, activity_id);
