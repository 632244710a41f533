-- The end of a session is remembered as long as a token of its may live. How long that is was known when the token was made,
-- and not from the setting of whoever asks later. Of the sessions that there are, any token is over when they are.
ALTER TABLE sessions ADD COLUMN token_ends_at INTEGER NOT NULL DEFAULT 0; -- when its longest-lived access token ends
UPDATE sessions SET token_ends_at = expires_at;
DROP INDEX sessions_revoked;
CREATE INDEX sessions_revoked ON sessions (token_ends_at) WHERE revoked_at IS NOT NULL;

-- When an address got its last mail must outlast an account that was made or withdrawn in between, but of somebody who
-- withdrew no address may stay. So nothing here is under an address; codes that are on their way are asked for again.
DROP TABLE email_codes;
CREATE TABLE email_codes (
    address        BLOB PRIMARY KEY,          -- HMAC-SHA-256 of the address in lower case
    code_hash      BLOB,                      -- HMAC-SHA-256 of address and code; NULL once the code was used
    sent_at        INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,          -- how many wrong codes were tried since then
    verified_until INTEGER                    -- until when a signup may rely on the right one
) WITHOUT ROWID;
CREATE INDEX email_codes_by_age ON email_codes (sent_at);
