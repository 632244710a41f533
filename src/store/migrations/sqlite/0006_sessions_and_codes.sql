-- What must outlast a change of the settings.

-- The end of a session is remembered as long as a token of its may live. How long that is was known when the token was made,
-- and not from the setting of whoever asks later. Of the sessions that there are, any token is over when they are.
ALTER TABLE sessions ADD COLUMN token_ends_at INTEGER NOT NULL DEFAULT 0; -- when its longest-lived access token ends
UPDATE sessions SET token_ends_at = expires_at;
DROP INDEX sessions_revoked;
CREATE INDEX sessions_revoked ON sessions (token_ends_at) WHERE revoked_at IS NOT NULL;
