-- Messages and containers that requests may refer to. The upstream has them under the key that all devices share.

CREATE TABLE owned_references (
    id TEXT NOT NULL PRIMARY KEY, -- the upstream's
    kind TEXT NOT NULL, -- message or container
    device TEXT NOT NULL,
    tokens BIGINT, -- length of the conversation that a message ends; NULL is unknown
    expires_at BIGINT NOT NULL -- when the upstream has forgotten it for certain
);
CREATE INDEX owned_references_expires ON owned_references (expires_at);
