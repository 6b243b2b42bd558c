-- What users and organisations may spend. What a device may is kept with the device.

CREATE TABLE budgets (
    kind TEXT NOT NULL, -- user or org
    name TEXT NOT NULL,
    day_microusd BIGINT, -- of the three, in millionths of a US dollar: NULL is no limit
    week_microusd BIGINT,
    month_microusd BIGINT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);
INSERT INTO revisions (subject, revision) VALUES ('budgets', 0);
