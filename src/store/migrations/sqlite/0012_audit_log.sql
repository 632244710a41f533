-- What whoever runs the shop did to it: written in the transaction of the change itself, and never changed afterwards. It
-- holds numbers and no person's words, addresses or names, so that nobody has to be erased from it.

CREATE TABLE trail (
    id        INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,               -- never before the entry above it, so that times and numbers have one order
    admin_id  INTEGER NOT NULL,               -- the admin's number; 0: the command line
    uid       INTEGER,                        -- the command line's user on the machine
    account   TEXT,                           -- what that user was called there
    action    TEXT NOT NULL,
    kind      TEXT NOT NULL,                  -- of the thing that it was done to
    thing     TEXT NOT NULL,                  -- its id
    was       TEXT,                           -- what changed of it, as it was before: JSON
    became    TEXT,                           -- and as it is since
    request   TEXT,
    CHECK ((admin_id > 0) = (uid IS NULL))
);
-- The id is part of every index by itself, behind the columns that are named.
CREATE INDEX trail_by_admin ON trail (admin_id);
CREATE INDEX trail_by_admin_action ON trail (admin_id, action);
CREATE INDEX trail_by_action ON trail (action);
CREATE INDEX trail_by_thing ON trail (kind, thing);
CREATE INDEX trail_by_time ON trail (at);
CREATE TRIGGER trail_stays BEFORE UPDATE ON trail BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER trail_lasts BEFORE DELETE ON trail BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- Who is erased. Their likes and follows leave the log of the community with the lines that tell of them, in many
-- transactions; nobody else's do.
CREATE TABLE erasures (
    user_id  INTEGER PRIMARY KEY REFERENCES users (id),
    begun_at INTEGER NOT NULL,
    ended_at INTEGER                          -- none: under way, or cut short
);
DROP TRIGGER activities_last;
CREATE TRIGGER activities_last BEFORE DELETE ON activities
    WHEN NOT EXISTS (SELECT 1 FROM erasures WHERE user_id = OLD.actor_id OR user_id = OLD.recipient_id)
    BEGIN SELECT RAISE(ABORT, 'activities are append-only'); END;
