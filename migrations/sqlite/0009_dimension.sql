-- What part of the load, or which step of it, a line tells of: reported beside the volume.
ALTER TABLE observations ADD COLUMN dimension TEXT;
