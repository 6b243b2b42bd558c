-- The features that a device may use.

ALTER TABLE devices ADD COLUMN features TEXT; -- JSON; NULL is what the service allows by default
