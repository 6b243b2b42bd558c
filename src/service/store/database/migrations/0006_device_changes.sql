-- Which device each of the last changes by an administrator was about, so that instances read those devices alone.

CREATE TABLE device_changes (
    revision BIGINT NOT NULL PRIMARY KEY, -- of the subject devices
    device TEXT NOT NULL
);
