-- An admin looks users up by how their names begin.
CREATE INDEX users_by_name ON users (lower(name), id);
