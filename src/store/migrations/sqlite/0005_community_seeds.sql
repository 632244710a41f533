-- How much of each generated community is written, so that seeding goes on where it ended and a repeat adds nothing.
CREATE TABLE community_seeds (
    seed      INTEGER PRIMARY KEY,            -- its 64 bits, as a signed number
    posts     INTEGER NOT NULL,
    member_id INTEGER NOT NULL                -- the last user whose follows are written
);
