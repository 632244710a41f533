-- What is counted about a post stood in its row, beside its words: a like read and wrote a page of a few posts' texts, and
-- a page of each end of two indexes. Now it stands apart, in narrow rows, and is filed in bulk, as orders are (0002): a
-- count that changes waits in a short table, and stands in for the filed one until thousands are filed together, which
-- share the pages that they land on. Nobody who likes or comments touches the words.

-- A row for each post that is there; a deleted one leaves.
CREATE TABLE post_counts_filed (
    post_id       INTEGER NOT NULL PRIMARY KEY,
    author_id     INTEGER NOT NULL,
    like_count    INTEGER NOT NULL CHECK (like_count >= 0),        -- its rows in post_likes
    comment_count INTEGER NOT NULL CHECK (comment_count >= 0)      -- its comments that were not deleted
) WITHOUT ROWID;                              -- or the first index would hold the number of each post twice
INSERT INTO post_counts_filed (post_id, author_id, like_count, comment_count)
    SELECT id, author_id, like_count, comment_count FROM posts WHERE deleted_at IS NULL ORDER BY id;
CREATE INDEX post_counts_filed_by_likes ON post_counts_filed (like_count, post_id, author_id);
CREATE INDEX post_counts_filed_by_author ON post_counts_filed (author_id, like_count, post_id);

-- Counts that have changed since they were filed.
CREATE TABLE post_counts_unfiled (
    post_id       INTEGER NOT NULL PRIMARY KEY,
    author_id     INTEGER NOT NULL,
    like_count    INTEGER NOT NULL CHECK (like_count >= 0),
    comment_count INTEGER NOT NULL CHECK (comment_count >= 0)
) WITHOUT ROWID;
CREATE INDEX post_counts_unfiled_by_likes ON post_counts_unfiled (like_count, post_id, author_id);
CREATE INDEX post_counts_unfiled_by_author ON post_counts_unfiled (author_id, like_count, post_id);

-- The counts as they are. SQLite merges the two tables in the order of their indexes: a query that begins somewhere in
-- that order and wants so many rows reads so many.
CREATE VIEW post_counts AS
    SELECT post_id, author_id, like_count, comment_count FROM post_counts_unfiled
    UNION ALL
    SELECT post_id, author_id, like_count, comment_count FROM post_counts_filed f
        WHERE NOT EXISTS (SELECT 1 FROM post_counts_unfiled u WHERE u.post_id = f.post_id);

DROP INDEX posts_by_likes;
DROP INDEX posts_by_author_likes;
ALTER TABLE posts DROP COLUMN like_count;
ALTER TABLE posts DROP COLUMN comment_count;
