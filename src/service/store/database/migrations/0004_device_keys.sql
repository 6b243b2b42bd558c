-- The key that each device has proved. It is there before the device has done anything.

CREATE TABLE device_keys (
    device TEXT NOT NULL PRIMARY KEY,
    thumbprint TEXT NOT NULL, -- RFC 7638
    bound_at BIGINT NOT NULL
);
