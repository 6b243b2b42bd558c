-- One text for SQLite and PostgreSQL. Times are milliseconds since 1970, flags are 0 and 1.

CREATE TABLE devices (
    id TEXT NOT NULL PRIMARY KEY,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    org TEXT,
    user_name TEXT,
    ruled_org TEXT, -- of the two: what an administrator said, which is stronger
    ruled_user TEXT,
    models TEXT, -- a JSON list; NULL is what the service allows by default
    limit_requests BIGINT, -- of the four: NULL is the service's default, 0 is no limit
    limit_window_ms BIGINT,
    limit_tokens_per_minute BIGINT,
    limit_concurrent BIGINT,
    budget TEXT, -- JSON
    state TEXT NOT NULL DEFAULT 'active',
    updated_at BIGINT -- when an administrator last changed something; NULL is never
);
CREATE INDEX devices_updated ON devices (updated_at);

CREATE TABLE usage_records (
    request_id TEXT NOT NULL PRIMARY KEY,
    finished_at BIGINT NOT NULL,
    upstream_request_id TEXT,
    device TEXT NOT NULL,
    org TEXT,
    user_name TEXT,
    route TEXT NOT NULL,
    model_asked TEXT,
    model_answered TEXT,
    status BIGINT,
    first_byte_ms BIGINT,
    total_ms BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cache_write_5m_tokens BIGINT NOT NULL,
    cache_write_1h_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    output_estimated BIGINT NOT NULL,
    no_usage BIGINT NOT NULL,
    unparsed_events BIGINT NOT NULL,
    ended TEXT NOT NULL,
    cost_microusd BIGINT -- NULL is unknown
);
CREATE INDEX usage_records_finished ON usage_records (finished_at, request_id);
CREATE INDEX usage_records_device ON usage_records (device, finished_at);

CREATE TABLE revocations (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    reason TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT, -- NULL is never
    UNIQUE (kind, value)
);

CREATE TABLE audit (
    id TEXT NOT NULL PRIMARY KEY, -- begins with the time, so it is also the order
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    source_address TEXT,
    action TEXT NOT NULL,
    target TEXT,
    detail TEXT, -- JSON
    outcome TEXT NOT NULL
);

-- Counts the changes of what instances poll.
CREATE TABLE revisions (
    subject TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
);
INSERT INTO revisions (subject, revision) VALUES ('devices', 0), ('revocations', 0);
