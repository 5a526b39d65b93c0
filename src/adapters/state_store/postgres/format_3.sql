-- Whether what is under way has arrived, and what is withheld. A target of which neither is known keeps its check sum.
ALTER TABLE $S.targets ADD COLUMN intent_arrived TEXT;
ALTER TABLE $S.targets ADD COLUMN withheld_digest TEXT;
ALTER TABLE $S.targets ADD COLUMN withheld_why TEXT;
ALTER TABLE $S.targets ADD COLUMN withheld_at BIGINT;
