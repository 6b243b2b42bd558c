-- What devices have upstream under the key that all of them share.

CREATE TABLE owned_objects (
    id TEXT NOT NULL PRIMARY KEY, -- the upstream's
    kind TEXT NOT NULL, -- batch or file
    device TEXT NOT NULL,
    org TEXT, -- of the two: what the device's usage is counted under
    user_name TEXT,
    created_at BIGINT NOT NULL,
    look_at BIGINT, -- when to look after a batch whose usage is not on record; NULL is never
    missing_since BIGINT -- since when the upstream does not know it; NULL is as far as known it does
);
CREATE INDEX owned_objects_device ON owned_objects (device, kind, created_at, id);
CREATE INDEX owned_objects_look ON owned_objects (look_at);
