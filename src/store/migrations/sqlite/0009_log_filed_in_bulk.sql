-- The log's two indexes took their entries at random places, a page for each of both. So whose an activity is, and on whose
-- post it happened, is noted in a short table and filed in bulk (0002). All that waits is younger than all that is filed.

DROP INDEX activities_by_actor;
CREATE TABLE activities_by_actor (
    actor_id    INTEGER NOT NULL,
    activity_id INTEGER NOT NULL,
    PRIMARY KEY (actor_id, activity_id)
) WITHOUT ROWID;

DROP INDEX activities_on_posts;
CREATE TABLE activities_on_posts (
    post_author_id INTEGER NOT NULL,
    activity_id    INTEGER NOT NULL,
    PRIMARY KEY (post_author_id, activity_id)
) WITHOUT ROWID;

-- What is not filed yet.
CREATE TABLE activities_unfiled (
    actor_id       INTEGER NOT NULL,
    activity_id    INTEGER NOT NULL,
    post_author_id INTEGER,
    PRIMARY KEY (actor_id, activity_id)
) WITHOUT ROWID;
CREATE INDEX activities_unfiled_on_posts ON activities_unfiled (post_author_id, activity_id)
    WHERE post_author_id IS NOT NULL;

INSERT INTO activities_by_actor (actor_id, activity_id)
    SELECT actor_id, id FROM activities ORDER BY actor_id, id;
INSERT INTO activities_on_posts (post_author_id, activity_id)
    SELECT post_author_id, id FROM activities WHERE post_author_id IS NOT NULL ORDER BY post_author_id, id;
