-- A like of a post, too, has a random place among those of everybody; so it waits in a short table and is filed in bulk (0002).

ALTER TABLE post_likes RENAME TO post_likes_filed;

CREATE TABLE post_likes_unfiled (
    user_id     INTEGER NOT NULL,
    post_id     INTEGER NOT NULL,
    activity_id INTEGER NOT NULL,
    PRIMARY KEY (user_id, post_id)
) WITHOUT ROWID;

-- The likes as they are: each stands in one of the two.
CREATE VIEW post_likes AS
    SELECT user_id, post_id, activity_id FROM post_likes_unfiled
    UNION ALL
    SELECT user_id, post_id, activity_id FROM post_likes_filed;
