-- Accounts: profile images, e-mail codes, counts of the community, and an end for what is over.

ALTER TABLE users ADD COLUMN profile_image TEXT;      -- the name of an object in the media store
ALTER TABLE users ADD COLUMN withdrawn_at INTEGER;    -- when the user withdrew

-- A user who withdrew is refused by name only while an access token of theirs may live, so that the view in memory does not
-- grow with everybody who ever left.
UPDATE users SET withdrawn_at = created_at WHERE state = 'deleted';
DROP INDEX users_locked_out;
CREATE INDEX users_locked_out ON users (id) WHERE state IN ('inactive', 'blocked');
CREATE INDEX users_withdrawn ON users (withdrawn_at) WHERE withdrawn_at IS NOT NULL;

CREATE INDEX sessions_by_end ON sessions (expires_at);

-- What a profile shows of the community. Whoever writes a post or a follow keeps these in the same transaction; no row means
-- zeros.
CREATE TABLE user_counts (
    user_id   INTEGER PRIMARY KEY REFERENCES users (id),
    posts     INTEGER NOT NULL DEFAULT 0 CHECK (posts >= 0),
    followers INTEGER NOT NULL DEFAULT 0 CHECK (followers >= 0),
    following INTEGER NOT NULL DEFAULT 0 CHECK (following >= 0)
);

CREATE TABLE email_codes (
    email          TEXT PRIMARY KEY,          -- in lower case
    code_hash      BLOB,                      -- HMAC-SHA-256 of address and code; NULL once the code was used
    sent_at        INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,          -- how many wrong codes were tried since then
    verified_until INTEGER                    -- until when a signup may rely on the right one
) WITHOUT ROWID;
CREATE INDEX email_codes_by_age ON email_codes (sent_at);

-- Objects of the media store that no user shows: uploads on their way in, and images on their way out. What stays here too
-- long is deleted, so that no crash leaves an object behind.
CREATE TABLE media_unused (
    name  TEXT PRIMARY KEY,
    since INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX media_unused_by_age ON media_unused (since);
